# METADATA
# title: Device state
# description: >-
#   What the target's gateway last reported about it. There is no report in the input if none came or the last is too old: then
#   the state is unknown, and every helper here is undefined.
package writ.lib.state

known if is_object(input.target.report.state)

# True if the device reports this member with one of these values.
one_of(member, values) if input.target.report.state[member] in values

# What the device reports under this name.
value(member) := input.target.report.state[member]

# True if the device was reached at an address in one of these networks. An IPv4 address written as IPv6 is taken as IPv4
# here, since OPA and its Wasm library differ about those.
reached_within(networks) if {
	some network in networks
	net.cidr_contains(network, trim_prefix(lower(input.target.report.address), "::ffff:"))
}
