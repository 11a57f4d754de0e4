# METADATA
# title: Collect data
# description: >-
#   Recorded data leaves the device, so it is collected only where data of its class may be handled (data/residency.json), for a
#   bounded time, and what points to people is removed by the gateway before the result is signed. The tables are in
#   data/collect.json.
# custom:
#   data_class: personal
package writ.actions["data-collect"]

import data.writ.lib.params
import data.writ.lib.reason
import data.writ.lib.residency

allow := true

# METADATA
# title: Data of this class may not be handled in this jurisdiction.
# custom:
#   code: wrong_jurisdiction
deny contains reason.of(rego.metadata.rule()) if not resident

# METADATA
# title: A parameter of the collection is unknown or out of bounds.
# custom:
#   code: params_out_of_bounds
deny contains reason.of(rego.metadata.rule()) if not params_fit

resident if residency.permitted(rego.metadata.chain())

params_fit if params.within(data.collect.bounds)

terms := {"ttl_s": 600, "redact": data.collect.redact}
