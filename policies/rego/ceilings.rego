# METADATA
# title: Ceilings of the operator-signed records
# description: >-
#   What an agent may ask for and what a device can do. The services and the gateway check these by themselves; they are here so
#   that no workflow can be written past them and a what-if shows them.
package writ.ceilings

import data.writ.lib.reason

# METADATA
# title: The agent may not act for this user.
# custom:
#   code: wrong_user
deny contains reason.of(rego.metadata.rule()) if not user_permitted

# METADATA
# title: The action is outside what the agent may ask for.
# custom:
#   code: scope_exceeded
deny contains reason.of(rego.metadata.rule()) if not action_permitted

# METADATA
# title: The device is in a group that the agent may not act on.
# custom:
#   code: scope_exceeded
deny contains reason.of(rego.metadata.rule()) if not group_permitted

# METADATA
# title: The device does not offer this action.
# custom:
#   code: scope_exceeded
deny contains reason.of(rego.metadata.rule()) if not action_offered

# METADATA
# title: The device belongs to another jurisdiction than this control plane.
# custom:
#   code: wrong_jurisdiction
deny contains reason.of(rego.metadata.rule()) if not here

user_permitted if input.intent.on_behalf_of in input.agent.users

action_permitted if input.intent.action in input.agent.actions

group_permitted if input.target.group in input.agent.groups

action_offered if input.intent.action in input.target.actions

here if input.target.jurisdiction == input.region
