package config

import "reflect"

// ParseClient reads the metadata of one client that does not come from the file: JSON with the names of OpenID registration, which are the
// keys of `clients`. It reads by the same rules but checks no contents; see [Config.CheckClient]. The error is an *Error with all problems.
func ParseClient(data []byte) (Client, error) {
	var c Client
	r := newReport()
	if root := readDocument(data, r); root != nil {
		d := &decoder{r: r, values: maxValues}
		d.value(root, reflect.ValueOf(&c).Elem(), "", 0)
	}
	return c, r.err("")
}

// CheckClient fills what the client leaves empty with the defaults of OpenID registration and checks it by the rules for the clients of c.
// secretKept says that it has a client secret that is not in the metadata, because only its hash is kept. The error is an *Error with all
// problems, whose paths are the names of the metadata.
func (c *Config) CheckClient(client *Client, secretKept bool) error {
	r := newReport()
	client.complete()
	refuseLater(reflect.ValueOf(*client), "clients[]", r)
	if len(client.GlobalTokenRevocationDomains) > 0 {
		r.add("global_token_revocation_domains", "is for clients of the configuration file only; remove the key")
	}
	rules := c.rules(client, r, "")
	rules.secretKept = secretKept
	rules.check(c.SigningAlgorithms)
	return r.err("")
}
