package writ.tests.decision

import data.writ
import data.writ.tests.fixture

test_unknown_action_is_denied if {
	decision := writ.decision with input as fixture.for("levitate", {})
	decision.outcome == "deny"
	decision.reasons == [{"code": "policy_denied", "message": "No policy covers this action."}]
	decision.obligations == data.defaults.obligations
}

test_empty_input_is_denied if {
	decision := writ.decision with input as {}
	decision.outcome == "deny"
	fixture.messages(decision) == {"The request names no target that could be judged."}
}

test_no_target_is_denied if {
	decision := writ.decision with input as fixture.with_targets(fixture.for("telemetry-read", {}), [])
	decision.outcome == "deny"
}

test_one_denied_target_denies_all if {
	other := object.union(fixture.target, {"id": "press-08", "group": "elsewhere"})
	request := fixture.with_targets(fixture.for("telemetry-read", {}), [fixture.target, other])
	decision := writ.decision with input as request
	decision.outcome == "deny"
	fixture.codes(decision) == {"scope_exceeded"}
}

test_floor_of_a_device_asks_for_approval_although_policy_does_not if {
	floored := object.union(fixture.target, {"floor": {"approvals": {"count": 1, "roles": ["shift-lead"]}}})
	request := fixture.with_targets(fixture.for("restart", {}), [floored])
	decision := writ.decision with input as request
	decision.outcome == "needs_approval"
	decision.obligations.approvals == {"count": 1, "roles": ["shift-lead"], "expires_s": 3600}

	approved := object.union(request, {"approvals": [fixture.approval("bob", "shift-lead", "approve")]})
	after := writ.decision with input as approved
	after.outcome == "allow"
	after.obligations == decision.obligations
}

test_floor_of_a_device_asks_for_attestation_although_policy_does_not if {
	floored := object.union(fixture.target, {"floor": {"attestation": {"profile": "agent-host", "max_age_s": 90}}})
	request := fixture.with_targets(fixture.for("restart", {}), [floored])
	decision := writ.decision with input as request
	decision.outcome == "needs_attestation"
	decision.obligations.attestation == {"profile": "agent-host", "max_age_s": 90, "expires_s": 600}

	attested := object.union(request, {"attestations": [fixture.attestation]})
	after := writ.decision with input as attested
	after.outcome == "allow"
}

test_demands_that_exclude_one_another_are_denied if {
	floored := object.union(fixture.target, {"floor": {"approvals": {"count": 1, "roles": ["shift-lead"]}}})
	request := fixture.with_targets(fixture.for("firmware-update", {"version": "2.5.0"}), [floored])
	decision := writ.decision with input as request
	decision.outcome == "deny"
	fixture.messages(decision) == {"No approver role satisfies all demands for approval."}
}

test_rejection_denies if {
	request := object.union(
		fixture.for("firmware-update", {"version": "2.5.0"}),
		{"approvals": [
			fixture.approval("bob", "plant-manager", "approve"),
			fixture.approval("carol", "safety-officer", "approve"),
			fixture.approval("dave", "plant-manager", "reject"),
		]},
	)
	decision := writ.decision with input as request
	decision.outcome == "deny"
	fixture.codes(decision) == {"approval_rejected"}
}

test_without_its_tables_no_workflow_allows if {
	every action in ["data-collect", "restart", "config-change", "firmware-update"] {
		decision := writ.decision with input as fixture.for(action, {"version": "2.5.0"})
			with data.collect as {}
			with data.restart as {}
			with data.config as {}
			with data.firmware as {}
			with data.maintenance as {}
		decision.outcome == "deny"
	}
}

test_a_misspelt_demand_is_denied if {
	every terms in [{"approval": {"count": 1}}, {"bind": {"networks": ["10.0.0.0/8"]}}, {"redact": "/operator"}] {
		decision := writ.decision with input as fixture.for("telemetry-read", {})
			with data.writ.actions["telemetry-read"].terms as terms
		decision.outcome == "deny"
	}
}
