package writ.tests.target

import data.writ.target
import data.writ.tests.fixture

test_action_that_is_not_allowed_and_gives_no_reason_gets_one if {
	request := object.union(fixture.for("config-change", {}), {"target": fixture.target})
	verdict := target.verdict with input as request
	{denial.message | some denial in verdict.denials} == {"The conditions under which policy allows this action are not met."}
}

test_terms_are_completed_with_the_defaults if {
	request := object.union(fixture.for("telemetry-read", {}), {"target": fixture.target})
	verdict := target.verdict with input as request
	verdict.denials == set()
	verdict.demands[0] == {"ttl_s": 300, "max_uses": 1, "max_run_s": 60, "stop_on_failure": false}
	verdict.demands[1] == {}
}

test_action_without_a_workflow_has_the_default_terms if {
	request := object.union(fixture.for("levitate", {}), {"target": fixture.target})
	verdict := target.verdict with input as request
	verdict.demands[0] == data.defaults.obligations
}
