package writ.tests.data_collect

import data.writ
import data.writ.tests.fixture

test_collecting_is_allowed_and_redacted if {
	decision := writ.decision with input as fixture.for("data-collect", {"seconds": 60})
	decision.outcome == "allow"
	decision.obligations.redact == data.collect.redact
	decision.obligations.ttl_s == 600
}

test_another_jurisdiction_is_denied if {
	decision := writ.decision with input as fixture.for("data-collect", {}) with data.residency.classes as {"personal": ["us-east-1"]}
	decision.outcome == "deny"
	fixture.codes(decision) == {"wrong_jurisdiction"}
}

test_too_long_a_collection_is_out_of_bounds if {
	decision := writ.decision with input as fixture.for("data-collect", {"seconds": 86400})
	decision.outcome == "deny"
	fixture.codes(decision) == {"params_out_of_bounds"}
}
