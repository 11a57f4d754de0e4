# METADATA
# title: Parameters
# description: Bounds on the parameters of an intent.
package writ.lib.params

# True if every parameter given has bounds in the table and is inside them. A table entry is one of
# {"min": number, "max": number} and {"one_of": [value, …]}; `"whole": true` beside min and max allows whole numbers only.
within(bounds) if {
	every name, value in input.intent.params {
		inside(value, bounds[name])
	}
}

# True if all of these are given.
given(names) if {
	every name in names {
		_ = input.intent.params[name]
	}
}

inside(value, bound) if value in bound.one_of

inside(value, bound) if {
	is_number(value)
	value >= bound.min
	value <= bound.max
	whole_enough(value, bound)
}

whole_enough(_, bound) if object.get(bound, "whole", false) == false

whole_enough(value, _) if value == floor(value)
