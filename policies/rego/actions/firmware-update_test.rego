package writ.tests.firmware_update

import data.writ
import data.writ.tests.fixture

# The approved table is data to be edited; the tests have their own.
table := {"2.5.0": {"from": ["2.4.1"], "sha256": "right"}}

request := fixture.for("firmware-update", {"version": "2.5.0"})

people := [fixture.approval("bob", "plant-manager", "approve"), fixture.approval("carol", "safety-officer", "approve")]

decide(request_) := decision if {
	decision := writ.decision with input as request_ with data.firmware.approved as table
}

in_group(group) := object.union(
	fixture.with_targets(request, [object.union(fixture.target, {"group": group})]),
	{"agent": {"groups": [group]}},
)

test_an_approved_version_needs_two_people_then_attestation_then_is_allowed if {
	first := decide(request)
	first.outcome == "needs_approval"
	fixture.codes(first) == {"approval_required"}
	first.obligations.approvals == {"count": 2, "roles": ["plant-manager", "safety-officer"], "expires_s": 3600}
	first.obligations.attestation.profile == "agent-host"
	first.obligations.bind.device_state == {"firmware": "2.4.1"}

	second := decide(object.union(request, {"approvals": people}))
	second.outcome == "needs_attestation"
	fixture.codes(second) == {"attestation_required"}

	third := decide(object.union(request, {"approvals": people, "attestations": [fixture.attestation]}))
	third.outcome == "allow"
	third.obligations == first.obligations
}

test_a_version_that_is_not_approved_is_denied if {
	decision := decide(fixture.for("firmware-update", {"version": "6.6.6"}))
	decision.outcome == "deny"
	fixture.messages(decision) == {"This firmware version is not in the table of approved firmware."}
}

test_a_version_that_is_not_approved_for_the_one_that_runs_is_denied if {
	old := fixture.with_state(fixture.target, {"firmware": "1.0.0"})
	decision := decide(fixture.with_targets(request, [old]))
	fixture.messages(decision) == {"This firmware version is not approved for the version that the device runs."}
}

test_parameters_other_than_the_version_are_denied if {
	every params in [{}, {"version": 25}, {"version": "2.5.0", "force": true}] {
		decision := decide(fixture.for("firmware-update", params))
		fixture.codes(decision) == {"params_out_of_bounds"}
	}
}

test_another_digest_is_denied_and_the_right_one_is_not if {
	wrong := decide(fixture.for("firmware-update", {"version": "2.5.0", "sha256": "wrong"}))
	fixture.codes(wrong) == {"params_out_of_bounds"}
	right := decide(fixture.for("firmware-update", {"version": "2.5.0", "sha256": "right"}))
	right.outcome == "needs_approval"
}

test_unknown_state_is_denied if {
	decision := decide(fixture.with_targets(request, [object.remove(fixture.target, ["report"])]))
	decision.outcome == "deny"
	fixture.codes(decision) == {"policy_denied"}
}

test_several_devices_at_once_are_denied if {
	other := object.union(fixture.target, {"id": "press-08"})
	decision := decide(fixture.with_targets(request, [fixture.target, other]))
	fixture.messages(decision) == {"Firmware is updated on one device at a time."}
}

test_outside_the_maintenance_window_is_denied if {
	groups := {"assembly": [{"days": [6], "from_minute": 0, "to_minute": 1440}]}
	decision := decide(in_group("assembly")) with data.maintenance.groups as groups
	fixture.messages(decision) == {"No maintenance window of the device's group is open now."}
}

test_inside_the_maintenance_window_it_goes_on if {
	groups := {"assembly": [{"days": [1], "from_minute": 700, "to_minute": 800}]}
	decision := decide(in_group("assembly")) with data.maintenance.groups as groups
	decision.outcome == "needs_approval"
}

test_without_the_table_of_approvals_it_is_denied if {
	decision := writ.decision with input as request
		with data.firmware as {"approved": table}
	decision.outcome == "deny"
}

test_a_demand_that_cannot_be_read_is_denied if {
	every approvals in [{"count": 2}, {"roles": ["plant-manager"]}, "two", {"count": 1, "roles": [], "expires_s": 60}] {
		decision := decide(request) with data.firmware.approvals as approvals
		decision.outcome == "deny"
	}
}
