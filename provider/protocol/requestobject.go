package protocol

import (
	"encoding/base64"
	"encoding/json"
	"strings"
)

// unsupportedObject reads from a request object (OpenID Connect Core 1.0, 6.1) how its refusal is to travel: a client that puts every
// parameter inside expects the answer in the mode, and with the state, that it named there. Nothing else in it is looked at, and no signature
// is verified: anybody who can make the object could have said the same beside it. What cannot be read says nothing.
func unsupportedObject(object string) (mode, state string) {
	parts := strings.Split(object, ".")
	if len(parts) != 3 || len(object) > maxParameters {
		return "", ""
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return "", ""
	}
	var said struct {
		ResponseMode string `json:"response_mode"`
		State        string `json:"state"`
	}
	if json.Unmarshal(payload, &said) != nil {
		return "", ""
	}
	return said.ResponseMode, said.State
}
