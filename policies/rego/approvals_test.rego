package writ.tests.approvals

import data.writ.approvals
import data.writ.tests.fixture

two := {"approvals": {"count": 2, "roles": ["plant-manager", "safety-officer"], "expires_s": 3600}}

request(given) := object.union(fixture.for("restart", {}), {"approvals": given})

test_nothing_demanded_is_met if {
	approvals.met({}) with input as request([])
	approvals.reasons({}) == set() with input as request([])
}

test_two_users_with_the_roles_meet_it if {
	given := [fixture.approval("bob", "plant-manager", "approve"), fixture.approval("carol", "safety-officer", "approve")]
	approvals.met(two) with input as request(given)
	approvals.rejections(two) == set() with input as request(given)
}

test_too_few_approvals_are_required if {
	given := [fixture.approval("bob", "plant-manager", "approve")]
	reasons := approvals.reasons(two) with input as request(given)
	{reason.code | some reason in reasons} == {"approval_required"}
}

test_one_user_counts_once if {
	given := [fixture.approval("bob", "plant-manager", "approve"), fixture.approval("bob", "safety-officer", "approve")]
	not approvals.met(two) with input as request(given)
}

test_the_user_that_it_is_for_does_not_count if {
	given := [fixture.approval("alice", "plant-manager", "approve"), fixture.approval("carol", "safety-officer", "approve")]
	not approvals.met(two) with input as request(given)
}

test_another_role_does_not_count if {
	given := [fixture.approval("bob", "plant-manager", "approve"), fixture.approval("erin", "visitor", "approve")]
	not approvals.met(two) with input as request(given)
	approvals.rejections(two) == set() with input as request([fixture.approval("erin", "visitor", "reject")])
}

test_one_rejection_is_enough if {
	given := [fixture.approval("bob", "plant-manager", "reject")]
	rejections := approvals.rejections(two) with input as request(given)
	{reason.code | some reason in rejections} == {"approval_rejected"}
}
