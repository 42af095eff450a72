package config

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"strings"

	"go.yaml.in/yaml/v4"
)

const (
	// maxValues bounds what aliases can unfold a file into ("billion laughs").
	maxValues = 200_000
	// maxDepth is deeper than any key; it bounds what claims and jwks may hold.
	maxDepth = 32
)

// readYAML reads a file's content into c. It uses the library's syntax tree only: what a plain scalar means is decided by the type of the
// key, so that YAML 1.1's surprises (no, 0123, 1990-01-01) have no place, and every problem has its line.
func readYAML(data []byte, c *Config, r *report) {
	if root := readDocument(data, r); root != nil {
		d := &decoder{r: r, values: maxValues}
		d.value(root, reflect.ValueOf(c).Elem(), "", 0)
	}
}

// readDocument reads YAML, or JSON, that holds one mapping. It returns nil when there is none, or when something was reported.
func readDocument(data []byte, r *report) *yaml.Node {
	if len(data) > maxFileSize {
		r.add("", "the configuration is larger than %v; is it the right file?", Size(maxFileSize))
		return nil
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var documents []yaml.Node
	if err := yaml.Load(joinSurrogates(data), &documents, yaml.WithAllDocuments()); err != nil {
		at, message := syntaxProblem(err)
		r.addAt(at, "", "%s", message)
		return nil
	}
	if len(documents) == 0 {
		return nil
	}
	if len(documents) > 1 {
		r.addAt(origin{line: documents[1].Line}, "", "a second YAML document starts here; keep one")
		return nil
	}
	root := &documents[0]
	if root.Kind == yaml.DocumentNode && len(root.Content) == 1 {
		root = root.Content[0]
	}
	if root.Kind != yaml.MappingNode && !isNull(root) {
		r.addAt(origin{line: root.Line}, "", "the file holds %s; write a mapping (key: value)", kindName(root))
		return nil
	}
	return root
}

// syntaxProblem makes the library's error one line, without the text that it complains about: that may be part of a secret.
func syntaxProblem(err error) (origin, string) {
	var syntax *yaml.LoadError
	if !errors.As(err, &syntax) {
		return origin{}, "the file is not YAML"
	}
	message := syntax.Message
	if strings.Contains(message, "anchor") {
		message = "an alias has no anchor; write a value that begins with * in quotes"
	}
	return origin{line: syntax.Mark.Line}, "the file is not YAML: " + message
}

type decoder struct {
	r      *report
	values int // how many values may still be read
}

func (d *decoder) value(n *yaml.Node, v reflect.Value, path string, depth int) {
	at := origin{line: n.Line}
	if path != "" {
		d.r.origins[path] = at
	}
	d.values--
	for n.Kind == yaml.AliasNode && n.Alias != nil {
		n = n.Alias
	}
	switch {
	case d.values < 0:
		if d.values == -1 {
			d.r.addAt(at, path, "the file unfolds into more than %d values; do not nest aliases", maxValues)
		}
		return
	case depth > maxDepth:
		d.r.addAt(at, path, "is nested deeper than %d levels; flatten it", maxDepth)
		return
	case n.Style&yaml.TaggedStyle != 0:
		d.r.addAt(at, path, "has a YAML tag (!...); remove it")
		return
	case isNull(n):
		return // as if the key were not there
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path, depth)
	case reflect.Slice:
		d.list(n, v, path, depth)
	case reflect.Map:
		if n.Kind != yaml.MappingNode {
			d.r.addAt(at, path, "is %s; write a mapping (name: value)", kindName(n))
			return
		}
		if m, ok := d.any(n, path, depth).(map[string]any); ok {
			v.Set(reflect.ValueOf(m))
		}
	case reflect.Pointer:
		target := reflect.New(v.Type().Elem())
		v.Set(target)
		d.scalar(n, target.Elem(), path)
	default:
		d.scalar(n, v, path)
	}
}

func (d *decoder) structure(n *yaml.Node, v reflect.Value, path string, depth int) {
	known := fieldsOf(v.Type())
	d.mapping(n, path, showName, func(key string, value *yaml.Node, keyPath string) {
		for _, f := range known {
			if f.name == key {
				d.value(value, v.Field(f.index), keyPath, depth+1)
				return
			}
		}
		at := origin{line: value.Line}
		if reason, ok := refusedMember(v.Type(), key); ok {
			if !isEmpty(value) {
				d.r.addAt(at, keyPath, "%s; remove the key", reason)
			}
			return
		}
		advice := suggest(key, names(known), "remove it or correct its name")
		if strings.Contains(key, ":") {
			advice = "write a space after the colon"
		}
		d.r.addAt(at, keyPath, "unknown key; %s", advice)
	})
}

func (d *decoder) list(n *yaml.Node, v reflect.Value, path string, depth int) {
	if n.Kind != yaml.SequenceNode {
		d.r.add(path, "is %s; write a list: [...]", kindName(n))
		return
	}
	items := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
	for i, item := range n.Content {
		itemPath := fmt.Sprintf("%s[%d]", path, i)
		if isNull(item) {
			d.r.addAt(origin{line: item.Line}, itemPath, "is empty; write a value or remove it")
			continue
		}
		d.value(item, items.Index(i), itemPath, depth+1)
	}
	v.Set(items)
}

func (d *decoder) scalar(n *yaml.Node, v reflect.Value, path string) {
	if n.Kind != yaml.ScalarNode {
		d.r.add(path, "is %s; write a single value", kindName(n))
		return
	}
	switch v.Interface().(type) {
	case bool, int, float64:
		if !isPlain(n) {
			d.r.add(path, "%s is text; write it without quotes", quote(n.Value))
			return
		}
	}
	if err := setScalar(v, n.Value); err != nil {
		d.r.add(path, "%v", err)
	}
}

// showName is how messages name a key that should be one of ours: {password:secret}, without the space, is one long key to YAML, so that only
// what looks like a name may be seen.
func showName(key string) string {
	if plainKey.MatchString(key) {
		return key
	}
	return nameStart.FindString(key) + "..."
}

// showAll is how messages name a key of a free form.
func showAll(key string) string { return key }

// mapping calls each for the keys of a mapping; a key that is given twice counts once.
func (d *decoder) mapping(n *yaml.Node, path string, show func(key string) string, each func(key string, value *yaml.Node, keyPath string)) {
	if n.Kind != yaml.MappingNode {
		d.r.addAt(origin{line: n.Line}, path, "is %s; write a mapping (key: value)", kindName(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		for key.Kind == yaml.AliasNode && key.Alias != nil {
			key = key.Alias
		}
		if key.Kind != yaml.ScalarNode {
			d.r.addAt(origin{line: key.Line}, path, "has %s for a key; write a name", kindName(key))
			continue
		}
		keyPath := join(path, show(key.Value))
		if line, twice := first[key.Value]; twice {
			d.r.addAt(origin{line: key.Line}, keyPath, "is given twice, first on line %d; keep one", line)
			continue
		}
		first[key.Value] = key.Line
		each(key.Value, value, keyPath)
	}
}
