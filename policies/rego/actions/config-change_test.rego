package writ.tests.config_change

import data.writ
import data.writ.tests.fixture

test_a_setting_within_bounds_is_allowed_and_bound_to_the_plants_networks if {
	decision := writ.decision with input as fixture.for("config-change", {"speed_mm_s": 400, "cycle_ms": 800})
	decision.outcome == "allow"
	decision.obligations.bind == {"network": sort(data.config.networks)}
}

test_a_value_out_of_bounds_is_denied if {
	decision := writ.decision with input as fixture.for("config-change", {"speed_mm_s": 400, "pressure_kpa": 9000})
	decision.outcome == "deny"
	fixture.codes(decision) == {"params_out_of_bounds"}
}

test_an_unlisted_setting_is_denied if {
	decision := writ.decision with input as fixture.for("config-change", {"firmware_url": "http://example.org"})
	fixture.codes(decision) == {"params_out_of_bounds"}
}

test_no_setting_at_all_is_denied if {
	decision := writ.decision with input as fixture.for("config-change", {})
	fixture.codes(decision) == {"policy_denied"}
}

test_unknown_state_is_denied if {
	silent := object.remove(fixture.target, ["report"])
	decision := writ.decision with input as fixture.with_targets(fixture.for("config-change", {"speed_mm_s": 1}), [silent])
	fixture.codes(decision) == {"policy_denied"}
}

test_a_device_outside_the_plants_networks_is_denied if {
	far := object.union(fixture.target, {"report": {"address": "203.0.113.9"}})
	decision := writ.decision with input as fixture.with_targets(fixture.for("config-change", {"speed_mm_s": 1}), [far])
	fixture.codes(decision) == {"constraint_failed"}
}
