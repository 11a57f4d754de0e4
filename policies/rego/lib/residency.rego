# METADATA
# title: Residency
# description: >-
#   Where an action may be carried out, as its annotations say: `custom.residency` lists jurisdictions, `custom.data_class` names
#   a class of data, whose jurisdictions are in data/residency.json. Annotations of a package hold for all that is in it. An action
#   with either of them has a rule that denies unless `residency.permitted(rego.metadata.chain())`: `npm run policy` refuses one
#   that has not.
package writ.lib.residency

# True if every annotation from the rule to its package lets the action be carried out in this control plane's jurisdiction.
permitted(chain) if {
	every link in chain {
		listed(custom_of(link))
		classified(custom_of(link))
	}
}

# A rule without annotations of its own is in the chain all the same.
custom_of(link) := object.get(link, ["annotations", "custom"], {})

listed(custom) if input.region in object.get(custom, "residency", [input.region])

classified(custom) if object.get(custom, "data_class", "") == ""

# A class that is in no table is permitted nowhere.
classified(custom) if input.region in data.residency.classes[custom.data_class]
