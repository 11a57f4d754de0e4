package writ.tests.telemetry_read

import data.writ
import data.writ.tests.fixture

test_reading_is_allowed if {
	decision := writ.decision with input as fixture.for("telemetry-read", {})
	decision == {
		"outcome": "allow",
		"reasons": [],
		"obligations": {"ttl_s": 300, "max_uses": 1, "max_run_s": 60, "stop_on_failure": false},
	}
}

test_reading_is_allowed_of_a_device_whose_state_is_unknown if {
	silent := object.remove(fixture.target, ["report"])
	decision := writ.decision with input as fixture.with_targets(fixture.for("telemetry-read", {}), [silent])
	decision.outcome == "allow"
}
