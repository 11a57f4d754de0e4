# METADATA
# title: The verdict about one target
# description: >-
#   Joins the ceilings, the workflow of the action (`writ.actions["<action>"]`) and the floors of the device's record. A workflow
#   has three rules: `allow` (true, or the action is denied), `deny` (a set of reasons, where it has any) and `terms` (the
#   obligations that differ from the defaults). Here `input.target` is the one device.
package writ.target

import data.writ.ceilings
import data.writ.lib.reason

verdict := {"denials": denials, "demands": [terms, floor]}

workflow := data.writ.actions[input.intent.action]

denials contains denial if some denial in ceilings.deny

denials contains denial if some denial in workflow.deny

# METADATA
# title: No policy covers this action.
# custom:
#   code: policy_denied
denials contains reason.of(rego.metadata.rule()) if not workflow

# METADATA
# title: The conditions under which policy allows this action are not met.
# custom:
#   code: policy_denied
denials contains reason.of(rego.metadata.rule()) if {
	workflow
	not allowed
	count(object.get(workflow, "deny", set())) == 0
}

# Terms that are undefined, because a table lacks a value, are no terms: they must not fall back to the defaults.
allowed if {
	workflow.allow == true
	is_object(workflow.terms)
}

terms := object.union(data.defaults.obligations, workflow.terms) if allowed

terms := data.defaults.obligations if not allowed

# What the device's record demands of this action whatever policy says; policy fills in only how long to wait.
floor[name] := object.union(data.defaults.floors[name], demand) if some name, demand in input.target.floor
