package writ.tests.state

import data.writ.lib.state
import data.writ.tests.fixture

reported := {"target": fixture.target}

silent := {"target": object.remove(fixture.target, ["report"])}

test_a_reported_state_is_known if {
	state.known with input as reported
	state.one_of("mode", ["idle", "running"]) with input as reported
	state.value("firmware") == "2.4.1" with input as reported
	state.reached_within(["10.0.0.0/8"]) with input as reported
}

test_other_values_and_networks_do_not_match if {
	not state.one_of("mode", ["idle"]) with input as reported
	not state.one_of("no-such-member", ["idle"]) with input as reported
	not state.reached_within(["192.168.0.0/16"]) with input as reported
}

test_without_a_report_nothing_is_known if {
	not state.known with input as silent
	not state.one_of("mode", ["running"]) with input as silent
	not state.value("firmware") with input as silent
	not state.reached_within(["0.0.0.0/0"]) with input as silent
}

test_an_ipv4_address_written_as_ipv6_is_the_same_address if {
	mapped := {"target": object.union(fixture.target, {"report": {"address": "::FFFF:10.20.0.7"}})}
	state.reached_within(["10.0.0.0/8"]) with input as mapped
	not state.reached_within(["192.168.0.0/16"]) with input as mapped
}

test_an_address_that_is_none_is_in_no_network if {
	strange := {"target": object.union(fixture.target, {"report": {"address": "press-07.local"}})}
	not state.reached_within(["0.0.0.0/0"]) with input as strange
}
