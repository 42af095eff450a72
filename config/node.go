package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"unicode/utf16"

	"go.yaml.in/yaml/v4"
)

func isPlain(n *yaml.Node) bool {
	const quoted = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return n.Kind == yaml.ScalarNode && n.Style&quoted == 0
}

func isNull(n *yaml.Node) bool {
	if !isPlain(n) {
		return n.Kind == 0
	}
	switch n.Value {
	case "", "~", "null", "Null", "NULL":
		return true
	}
	return false
}

// isEmpty reports whether the value says nothing: null, "", false, 0, [] or {}.
func isEmpty(n *yaml.Node) bool {
	switch n.Kind {
	case yaml.ScalarNode:
		return isNull(n) || n.Value == "" || isPlain(n) && (n.Value == "false" || n.Value == "0")
	case yaml.SequenceNode, yaml.MappingNode:
		return len(n.Content) == 0
	}
	return false
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	return "a single value"
}

var (
	coreInt   = regexp.MustCompile(`^[-+]?[0-9]+$`)
	coreFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)
)

// any reads a value of a free form, as in claims and jwks, by the core schema (YAML 1.2.2, 10.3.2). The result is what JSON can
// hold: nil, bool, int64, float64, string, []any, map[string]any.
func (d *decoder) any(n *yaml.Node, path string, depth int) any {
	at := origin{line: n.Line}
	d.r.origins[path] = at
	d.values--
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	switch {
	case d.values < 0:
		if d.values == -1 {
			d.r.addAt(at, path, "the file unfolds into more than %d values; do not nest aliases", maxValues)
		}
		return nil
	case depth > maxDepth:
		d.r.addAt(at, path, "is nested deeper than %d levels; flatten it", maxDepth)
		return nil
	case n.Style&yaml.TaggedStyle != 0:
		d.r.addAt(at, path, "has a YAML tag (!...); remove it")
		return nil
	}
	switch n.Kind {
	case yaml.MappingNode:
		m := make(map[string]any, len(n.Content)/2)
		d.mapping(n, path, showAll, func(key string, value *yaml.Node, keyPath string) {
			m[key] = d.any(value, keyPath, depth+1)
		})
		return m
	case yaml.SequenceNode:
		items := make([]any, len(n.Content))
		for i, item := range n.Content {
			items[i] = d.any(item, fmt.Sprintf("%s[%d]", path, i), depth+1)
		}
		return items
	}
	value, err := coreValue(n)
	if err != nil {
		d.r.addAt(at, path, "%v", err)
	}
	return value
}

func coreValue(n *yaml.Node) (any, error) {
	if isNull(n) {
		return nil, nil
	}
	if !isPlain(n) {
		return n.Value, nil
	}
	switch s := n.Value; {
	case s == "true" || s == "True" || s == "TRUE":
		return true, nil
	case s == "false" || s == "False" || s == "FALSE":
		return false, nil
	case coreInt.MatchString(s):
		i, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is too large a number; write it in quotes if it is text", quote(s))
		}
		return i, nil
	case coreFloat.MatchString(s):
		f, err := strconv.ParseFloat(s, 64)
		if err != nil {
			return nil, fmt.Errorf("%s is too large a number; write it in quotes if it is text", quote(s))
		}
		return f, nil
	}
	return n.Value, nil
}

var (
	plainKey  = regexp.MustCompile(`^[A-Za-z0-9_#-]{1,80}$`)
	nameStart = regexp.MustCompile(`^[A-Za-z0-9_#-]{0,40}`)
)

// join appends a key to a path; a key that could be mistaken for more is quoted.
func join(path, key string) string {
	if !plainKey.MatchString(key) {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

var jsonEscape = regexp.MustCompile(`\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|.)`)

// joinSurrogates rewrites the surrogate pairs of a JSON file ("\ud83d\ude00", RFC 8259, 7) to YAML's escape of the same character: YAML has no
// surrogates. Lines stay where they are.
func joinSurrogates(data []byte) []byte {
	if !bytes.Contains(data, []byte(`\u`)) || !json.Valid(data) {
		return data
	}
	return jsonEscape.ReplaceAllFunc(data, func(escape []byte) []byte {
		if len(escape) != 12 {
			return escape
		}
		high, _ := strconv.ParseUint(string(escape[2:6]), 16, 16) // the expression admits digits only
		low, _ := strconv.ParseUint(string(escape[8:12]), 16, 16)
		return fmt.Appendf(nil, `\U%08X`, utf16.DecodeRune(rune(high), rune(low)))
	})
}
