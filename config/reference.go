package config

import (
	"fmt"
	"reflect"
	"regexp"
	"strings"
	"time"
)

// Key describes one key of the configuration.
type Key struct {
	Path        string // such as logout.wait or clients[].redirect_uris
	Env         string // its variable; empty when it can be set in the file only
	Default     string // as it is written in the file; empty when there is none
	Description string
}

// Reference returns every key in the order of the documentation, the members of users and clients included.
func Reference() []Key {
	return reference(reflect.ValueOf(*Default()), "", true)
}

func reference(v reflect.Value, path string, env bool) []Key {
	var keys []Key
	for _, f := range fieldsOf(v.Type()) {
		value, key := v.Field(f.index), f.name
		if path != "" {
			key = path + "." + f.name
		}
		if value.Kind() == reflect.Struct {
			keys = append(keys, reference(value, key, env)...)
			continue
		}
		k := Key{Path: key, Default: formatValue(value), Description: f.doc}
		switch value.Interface().(type) {
		case []User:
			keys = append(keys, k)
			keys = append(keys, reference(reflect.ValueOf(User{}), key+"[]", false)...)
		case []Client:
			keys = append(keys, k)
			keys = append(keys, reference(reflect.ValueOf(defaultClient()), key+"[]", false)...)
		default:
			if env && value.Kind() != reflect.Map {
				k.Env = envName(key)
			}
			keys = append(keys, k)
		}
	}
	return keys
}

// zeroUnits are the units that time.Duration prints without need: 10m0s.
var zeroUnits = regexp.MustCompile(`^(.*[hm])0s$`)

func formatValue(v reflect.Value) string {
	switch value := v.Interface().(type) {
	case time.Duration:
		s := value.String()
		s = zeroUnits.ReplaceAllString(s, "$1")
		if h, ok := strings.CutSuffix(s, "h0m"); ok {
			s = h + "h"
		}
		return s
	case []string:
		if len(value) > 0 {
			return "[" + strings.Join(value, ", ") + "]"
		}
		return ""
	}
	switch v.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		return ""
	}
	return fmt.Sprint(v.Interface())
}
