package config

import (
	"fmt"
	"reflect"
	"strings"
)

// field is a key of a struct of the configuration.
type field struct {
	name, doc string
	index     int
}

func fieldsOf(t reflect.Type) []field {
	fields := make([]field, 0, t.NumField())
	for i := range t.NumField() {
		f := t.Field(i)
		fields = append(fields, field{name: f.Tag.Get("yaml"), doc: f.Tag.Get("doc"), index: i})
	}
	return fields
}

func names(fields []field) []string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.name
	}
	return all
}

// visit calls leaf for every key of v that is not a mapping of keys itself. The pattern is the path without the indices:
// clients[].redirect_uris for clients[2].redirect_uris.
func visit(v reflect.Value, path, pattern string, leaf func(path, pattern string, v reflect.Value)) {
	switch {
	case v.Kind() == reflect.Struct:
		for _, f := range fieldsOf(v.Type()) {
			visit(v.Field(f.index), join(path, f.name), join(pattern, f.name), leaf)
		}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.Struct:
		for i := range v.Len() {
			visit(v.Index(i), fmt.Sprintf("%s[%d]", path, i), pattern+"[]", leaf)
		}
	default:
		leaf(path, pattern, v)
	}
}

// suggest returns "did you mean ...?" when one of the candidates is a likely misspelling of name, otherwise the advice.
func suggest(name string, candidates []string, otherwise string) string {
	best, distance := "", 3
	if len(name) <= 64 {
		for _, c := range candidates {
			if n := editDistance(strings.ToLower(name), strings.ToLower(c)); n < distance && 2*n <= len(c) {
				best, distance = c, n
			}
		}
	}
	if best == "" {
		return otherwise
	}
	return "did you mean " + best + "?"
}

// editDistance is Levenshtein's.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
