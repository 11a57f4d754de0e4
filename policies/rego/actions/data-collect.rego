# METADATA
# title: Collect data
# description: >-
#   Recorded data leaves the device, so it is collected only in jurisdictions that are listed, for a bounded time, and
#   what points to people is removed by the gateway before the result is signed. The tables are in data/collect.json.
package writ.actions["data-collect"]

import data.writ.lib.params
import data.writ.lib.reason

allow := true

# METADATA
# title: Data of this jurisdiction may not be collected.
# custom:
#   code: wrong_jurisdiction
deny contains reason.of(rego.metadata.rule()) if not jurisdiction_listed

# METADATA
# title: A parameter of the collection is unknown or out of bounds.
# custom:
#   code: params_out_of_bounds
deny contains reason.of(rego.metadata.rule()) if not params_fit

jurisdiction_listed if input.target.jurisdiction in data.collect.jurisdictions

params_fit if params.within(data.collect.bounds)

terms := {"ttl_s": 600, "redact": data.collect.redact}
