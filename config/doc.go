// Package config reads the provider's configuration: one struct, [Config], filled from built-in defaults, a YAML 1.2 file (JSON is
// YAML too) and the environment, in rising precedence.
//
// # What a mistake looks like
//
// Nothing is guessed and nothing is dropped. An unknown key, a key given twice, a value of the wrong form and a contradiction
// between keys stop the start. All of them are reported together in one [*Error], each with the key's full path, the line of the file or
// the name of the variable, the offending value (never a secret) and what to do:
//
//	exeunt.yaml: 2 problems
//	  line 3, logout.wait: "800" is not a duration; write a number with a unit, such as 800ms, 10m or 720h (0 turns it off)
//	  line 9, clients[0].redirect_uris[0]: "http://shop.example.com/callback" uses http; use https
//
// Keys of features that this version does not have are known, and refused by name when they are set (later.go); registration members that
// the provider would have to ignore are refused too (refused.go). What is accepted is honoured.
//
// # Environment
//
// Every key but users and clients has a variable: its path in upper case, joined by underscores, after EXEUNT_. The key logout.wait is
// EXEUNT_LOGOUT_WAIT. Lists are separated by commas. A variable that is set to nothing sets the key to nothing. An unknown EXEUNT_
// variable is refused, because it is most likely a misspelt one.
//
// # Development
//
// Without a file the provider serves http://localhost:8080 on an embedded database. A loopback issuer relaxes what production needs:
// http URIs are accepted and [DevelopmentSecret] protects the data. See [Config.Development].
//
// # Secrets
//
// Values that must not be seen have the types [Secret] and [SecretURL]: printing, logging or encoding them, also inside the
// Config, shows a placeholder. Only Reveal returns the value.
package config
