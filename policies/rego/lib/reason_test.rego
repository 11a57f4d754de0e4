package writ.tests.reason

import data.writ.lib.reason

test_code_and_text_are_the_annotations if {
	reason.of({"title": "No.", "custom": {"code": "policy_denied"}}) == {"code": "policy_denied", "message": "No."}
}

test_a_rule_without_a_code_gives_no_reason if not reason.of({"title": "No."})
