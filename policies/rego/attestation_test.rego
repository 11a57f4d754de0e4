package writ.tests.attestation

import data.writ.attestation
import data.writ.tests.fixture

terms := {"attestation": {"profile": "agent-host", "max_age_s": 300, "expires_s": 900}}

request(results) := object.union(fixture.for("restart", {}), {"attestations": results})

codes(results) := {reason.code |
	reasons := attestation.reasons(terms) with input as request(results)
	some reason in reasons
}

changed(changes) := object.union(fixture.attestation, changes)

test_nothing_demanded_is_met if attestation.met({}) with input as request([])

test_a_fresh_affirming_result_meets_it if {
	attestation.met(terms) with input as request([fixture.attestation])
	codes([fixture.attestation]) == set()
}

test_a_good_result_beside_a_bad_one_meets_it if {
	attestation.met(terms) with input as request([changed({"affirming": false}), fixture.attestation])
}

test_none_is_required if codes([]) == {"attestation_required"}

test_another_agents_result_is_none if codes([changed({"subject": "agent/agent-2"})]) == {"attestation_required"}

test_a_gateways_result_is_none if codes([changed({"subject": "gateway/agent-1"})]) == {"attestation_required"}

test_another_profile_is_none if codes([changed({"profile": "other"})]) == {"attestation_required"}

test_a_result_that_is_not_affirming_has_failed if codes([changed({"affirming": false})]) == {"attestation_failed"}

test_a_result_for_another_key_has_failed if codes([changed({"jkt": "other"})]) == {"attestation_failed"}

test_an_old_result_is_stale if codes([changed({"iat": fixture.noon - 301})]) == {"attestation_stale"}

test_an_expired_result_is_stale if codes([changed({"exp": fixture.noon})]) == {"attestation_stale"}

test_what_is_not_good_does_not_meet_it if {
	every changes in [{"affirming": false}, {"jkt": "other"}, {"iat": fixture.noon - 301}, {"exp": fixture.noon}] {
		not attestation.met(terms) with input as request([changed(changes)])
	}
}
