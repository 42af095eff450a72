package identity

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// ChangedMembers names the members of the metadata in which two states of a client differ, in order; client_secret is one of them.
func ChangedMembers(before, after Client) []string {
	// Strings, lists of strings and raw JSON: it marshals.
	a, _ := json.Marshal(before)
	b, _ := json.Marshal(after)
	return ChangedMetadata(a, b, !bytes.Equal(before.SecretHash, after.SecretHash))
}

// ChangedMetadata is ChangedMembers for stored metadata; secret says that the secret is another one.
func ChangedMetadata(before, after []byte, secret bool) []string {
	var a, b map[string]json.RawMessage
	if json.Unmarshal(before, &a) != nil || json.Unmarshal(after, &b) != nil {
		return nil
	}
	changed := map[string]bool{}
	if secret {
		changed["client_secret"] = true
	}
	for name := range a {
		changed[name] = true
	}
	for name, value := range b {
		if changed[name] = !bytes.Equal(value, a[name]); !changed[name] {
			delete(changed, name)
		}
	}
	return slices.Sorted(maps.Keys(changed))
}
