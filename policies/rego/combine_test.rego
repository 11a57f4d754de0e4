package writ.tests.combine

import data.writ.combine

test_shortest_times_and_fewest_uses_hold if {
	terms := combine.strictest([
		{"ttl_s": 300, "max_uses": 1, "max_run_s": 60, "stop_on_failure": false},
		{"ttl_s": 120, "max_uses": 3, "max_run_s": 900, "stop_on_failure": true},
	])
	terms == {"ttl_s": 120, "max_uses": 1, "max_run_s": 60, "stop_on_failure": true}
}

test_approvals_take_the_highest_count_and_the_roles_in_common if {
	terms := combine.strictest([
		{"approvals": {"count": 1, "roles": ["b", "a"], "expires_s": 3600}},
		{"approvals": {"count": 2, "roles": ["c", "b", "a"], "expires_s": 600}},
	])
	terms.approvals == {"count": 2, "roles": ["a", "b"], "expires_s": 600}
}

test_roles_with_nothing_in_common_are_a_conflict if {
	demands := [{"approvals": {"count": 1, "roles": ["a"]}}, {"approvals": {"count": 1, "roles": ["b"]}}]
	count(combine.conflicts(demands)) == 1
}

test_attestation_takes_the_shortest_age if {
	terms := combine.strictest([
		{"attestation": {"profile": "agent-host", "max_age_s": 300, "expires_s": 900}},
		{"attestation": {"profile": "agent-host", "max_age_s": 60, "expires_s": 1200}},
	])
	terms.attestation == {"profile": "agent-host", "max_age_s": 60, "expires_s": 900}
}

test_two_profiles_are_a_conflict if {
	demands := [{"attestation": {"profile": "a", "max_age_s": 1}}, {"attestation": {"profile": "b", "max_age_s": 1}}]
	count(combine.conflicts(demands)) == 1
}

test_networks_are_those_inside_all_of_them if {
	terms := combine.strictest([
		{"bind": {"network": ["10.0.0.0/8", "192.168.0.0/16"]}},
		{"bind": {"network": ["10.20.0.0/16", "172.16.0.0/12"]}},
	])
	terms.bind == {"network": ["10.20.0.0/16"]}
}

test_networks_without_a_common_address_are_a_conflict if {
	demands := [{"bind": {"network": ["10.0.0.0/8"]}}, {"bind": {"network": ["192.168.0.0/16"]}}]
	count(combine.conflicts(demands)) == 1
}

test_device_states_are_joined if {
	terms := combine.strictest([{"bind": {"device_state": {"a": 1}}}, {"bind": {"device_state": {"a": 1, "b": 2}}}])
	terms.bind == {"device_state": {"a": 1, "b": 2}}
}

test_device_states_that_exclude_one_another_are_a_conflict if {
	demands := [{"bind": {"device_state": {"a": 1}}}, {"bind": {"device_state": {"a": 2}}}]
	count(combine.conflicts(demands)) == 1
	not combine.strictest(demands).bind
}

test_redactions_are_those_of_all if {
	terms := combine.strictest([{"redact": ["/b", "/a"]}, {"redact": ["/c", "/a"]}])
	terms.redact == ["/a", "/b", "/c"]
}

test_nothing_demanded_is_nothing_bound if {
	terms := combine.strictest([{"ttl_s": 1, "stop_on_failure": false}, {}])
	terms == {"ttl_s": 1, "stop_on_failure": false}
	combine.conflicts([{"ttl_s": 1}, {}]) == set()
}
