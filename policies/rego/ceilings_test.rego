package writ.tests.ceilings

import data.writ.ceilings
import data.writ.tests.fixture

request := object.union(fixture.for("restart", {}), {"target": fixture.target})

codes(denials) := {denial.code | some denial in denials}

test_what_the_records_permit_has_no_denial if {
	denials := ceilings.deny with input as request
	denials == set()
}

test_members_that_are_missing_are_denied if {
	denials := ceilings.deny with input as {}
	codes(denials) == {"wrong_user", "scope_exceeded", "wrong_jurisdiction"}
	count(denials) == 5
}

test_another_user_is_denied if {
	denials := ceilings.deny with input as object.union(request, {"intent": {"on_behalf_of": "mallory"}})
	codes(denials) == {"wrong_user"}
}

test_action_outside_the_agents_ceiling_is_denied if {
	denials := ceilings.deny with input as object.union(request, {"agent": {"actions": ["telemetry-read"]}})
	codes(denials) == {"scope_exceeded"}
}

test_group_outside_the_agents_ceiling_is_denied if {
	denials := ceilings.deny with input as object.union(request, {"target": {"group": "boiler-house"}})
	codes(denials) == {"scope_exceeded"}
}

test_action_that_the_device_does_not_offer_is_denied if {
	denials := ceilings.deny with input as object.union(request, {"target": {"actions": ["telemetry-read"]}})
	codes(denials) == {"scope_exceeded"}
}

test_device_of_another_jurisdiction_is_denied if {
	denials := ceilings.deny with input as object.union(request, {"target": {"jurisdiction": "us-east-1"}})
	codes(denials) == {"wrong_jurisdiction"}
}
