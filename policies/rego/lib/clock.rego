# METADATA
# title: Clock
# description: >-
#   The only clock is `input.now`, the decision's own time in seconds since 1970. Windows are in UTC, so they do not move with
#   summer time.
package writ.lib.clock

# 0 is Sunday; 1 January 1970 was a Thursday.
weekday := (floor(input.now / 86400) + 4) % 7

minute_of_day := floor((input.now % 86400) / 60)

# True if one of the windows is open: {"days": [0 … 6], "from_minute": 0 … 1439, "to_minute": 1 … 1440}. A window across
# midnight is written as two.
within(windows) if {
	some window in windows
	weekday in window.days
	minute_of_day >= window.from_minute
	minute_of_day < window.to_minute
}
