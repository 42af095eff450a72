package config

import "reflect"

// laterKey is a key whose feature is not in this version: setting it stops the start, because it would not be honoured. This table is
// the only place that knows; a version that has the feature deletes the row.
type laterKey struct {
	key     string            // path pattern
	feature string            // what is not available, the subject of a sentence
	advice  string            // what to do instead
	when    func(string) bool // which values; nil means any that is set
}

var laterKeys = []laterKey{
	{key: "logout.fanout", feature: "fanout all", advice: "use participating", when: is(FanoutAll)},
}

func is(value string) func(string) bool {
	return func(s string) bool { return s == value }
}

// refuseLater reports every key that is set to something which this version does not have.
func (c *Config) refuseLater(r *report) { refuseLater(reflect.ValueOf(*c), "", r) }

// refuseLater is for a value whose keys have the pattern, such as "clients[]".
func refuseLater(of reflect.Value, pattern string, r *report) {
	rows := map[string]laterKey{}
	for _, row := range laterKeys {
		rows[row.key] = row
	}
	visit(of, "", pattern, func(path, pattern string, v reflect.Value) {
		row, ok := rows[pattern]
		if ok && row.matches(v) {
			r.add(path, "%s is not available in this version; %s", row.feature, row.advice)
		}
	})
}

func (l laterKey) matches(v reflect.Value) bool {
	switch {
	case l.when == nil && (v.Kind() == reflect.Slice || v.Kind() == reflect.Map):
		return v.Len() > 0
	case l.when == nil:
		return !v.IsZero()
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			if l.when(v.Index(i).String()) {
				return true
			}
		}
		return false
	}
	return l.when(v.String())
}
