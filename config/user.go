package config

// User is a person of the configuration file. Exactly one of Password and PasswordHash is given.
type User struct {
	Username     string         `yaml:"username" doc:"Name to log in with."`
	Password     Secret         `yaml:"password" doc:"Password in clear; or give password_hash."`
	PasswordHash Secret         `yaml:"password_hash" doc:"argon2id hash of the password in PHC format ($argon2id$v=19$m=...,t=...,p=...$salt$hash)."`
	Email        string         `yaml:"email" doc:"E-mail address."`
	Admin        bool           `yaml:"admin" doc:"May administer the provider."`
	Claims       map[string]any `yaml:"claims" doc:"Further claims by their names in OpenID Connect Core 5.1, such as name, phone_number or address."`
}
