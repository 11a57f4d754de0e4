package writ.tests.restart

import data.writ
import data.writ.tests.fixture

decide(targets) := decision if {
	decision := writ.decision with input as fixture.with_targets(fixture.for("restart", {}), targets)
}

test_restart_from_a_known_good_state_is_allowed_and_bound_to_the_guard if {
	decision := decide([fixture.target])
	decision.outcome == "allow"
	decision.obligations == {
		"ttl_s": 120,
		"max_uses": 1,
		"max_run_s": 120,
		"stop_on_failure": true,
		"bind": {"device_state": {"guard": "closed"}},
	}
}

test_unknown_state_is_denied if {
	decision := decide([object.remove(fixture.target, ["report"])])
	decision.outcome == "deny"
	fixture.codes(decision) == {"policy_denied"}
	count(decision.reasons) == 1
}

test_unsafe_mode_is_denied if {
	decision := decide([fixture.with_state(fixture.target, {"mode": "updating"})])
	fixture.messages(decision) == {"The device is in a mode in which a restart is not safe."}
}

test_a_device_that_reports_no_mode_is_denied if {
	report := object.union(object.remove(fixture.report, ["state"]), {"state": {"guard": "closed"}})
	decision := decide([object.union(object.remove(fixture.target, ["report"]), {"report": report})])
	fixture.messages(decision) == {"The device is in a mode in which a restart is not safe."}
}

test_an_open_guard_is_denied if {
	decision := decide([fixture.with_state(fixture.target, {"guard": "open"})])
	fixture.messages(decision) == {"A guard of the device is open."}
}

test_a_device_without_a_guard_is_not_bound_to_one if {
	report := object.union(object.remove(fixture.report, ["state"]), {"state": {"mode": "idle"}})
	plain := object.union(object.remove(fixture.target, ["report"]), {"id": "plc-1", "report": report})
	alone := decide([plain])
	alone.outcome == "allow"
	not alone.obligations.bind
	both := decide([fixture.target, plain])
	both.outcome == "allow"
	not both.obligations.bind
}
