package config

import (
	"fmt"
	"reflect"
	"strings"
)

const envPrefix = "EXEUNT_"

// envName returns the variable of a key: EXEUNT_LOGOUT_WAIT for logout.wait.
func envName(path string) string {
	return envPrefix + strings.ToUpper(strings.ReplaceAll(path, ".", "_"))
}

// readEnvironment applies the EXEUNT_ variables. As in a process's environment, the last of several equal names wins.
func readEnvironment(environ []string, c *Config, r *report) {
	given, order := map[string]string{}, []string(nil)
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, envPrefix) {
			continue
		}
		if _, again := given[name]; !again {
			order = append(order, name)
		}
		given[name] = value
	}
	keys, groups := map[string]envKey{}, map[string]string{}
	candidates := collectEnv(reflect.ValueOf(c).Elem(), "", keys, groups)
	for _, name := range order {
		at := origin{env: name}
		if key, ok := keys[name]; ok {
			key.set(given[name], at, r)
		} else if advice, ok := groups[name]; ok {
			r.addAt(at, "", "%s", advice)
		} else {
			r.addAt(at, "", "unknown variable; %s", suggest(name, candidates, "unset it or correct its name"))
		}
	}
}

// envKey is a key that has a variable.
type envKey struct {
	path  string
	value reflect.Value
}

// collectEnv finds the variables of all keys, and for what is not a key but looks like one the advice to give. It returns the names in
// the order of the struct.
func collectEnv(v reflect.Value, path string, keys map[string]envKey, groups map[string]string) []string {
	var all []string
	for _, f := range fieldsOf(v.Type()) {
		key, value := join(path, f.name), v.Field(f.index)
		name := envName(key)
		switch {
		case value.Kind() == reflect.Struct:
			below := collectEnv(value, key, keys, groups)
			groups[name] = fmt.Sprintf("%s holds several keys; set them one by one, such as %s", key, below[0])
			all = append(all, below...)
		case value.Kind() == reflect.Slice && value.Type().Elem().Kind() == reflect.Struct, value.Kind() == reflect.Map:
			groups[name] = fmt.Sprintf("%s are read from the file only; move them there", key)
		default:
			keys[name] = envKey{key, value}
			all = append(all, name)
		}
	}
	return all
}

func (k envKey) set(text string, at origin, r *report) {
	r.origins[k.path] = at
	if k.value.Kind() != reflect.Slice {
		if err := setScalar(k.value, strings.TrimSpace(text)); err != nil {
			r.addAt(at, k.path, "%v", err)
		}
		return
	}
	items := reflect.MakeSlice(k.value.Type(), 0, 0)
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		value := reflect.New(k.value.Type().Elem()).Elem()
		if err := setScalar(value, item); err != nil {
			r.addAt(at, k.path, "%v", err)
			return
		}
		items = reflect.Append(items, value)
	}
	k.value.Set(items)
	// items of a list in the file are not those that a later problem is about
	for path := range r.origins {
		if strings.HasPrefix(path, k.path+"[") {
			delete(r.origins, path)
		}
	}
}
