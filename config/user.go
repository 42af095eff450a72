package config

// User is a person of the configuration file. Exactly one of Password and PasswordHash is given.
type User struct {
	Username     string         `yaml:"username" doc:"Name to log in with."`
	Password     Secret         `yaml:"password" doc:"Password in clear; or give password_hash."`
	PasswordHash Secret         `yaml:"password_hash" doc:"argon2id hash of the password in PHC format ($argon2id$v=19$m=...,t=...,p=...$salt$hash)."`
	Email        string         `yaml:"email" doc:"E-mail address."`
	Admin        bool           `yaml:"admin" doc:"May administer the provider."`
	Group        string         `yaml:"group" doc:"One of devices.groups."`
	DeviceLimit  *int           `yaml:"device_limit" doc:"On how many devices this person may be signed in at once, instead of devices.limit or the group's; 0 is any number."`
	Claims       map[string]any `yaml:"claims" doc:"Further claims by their names in OpenID Connect Core 5.1, such as name, phone_number or address."`
}
