package config

import "time"

// The values of Config.SigningAlgorithms.
const (
	RS256 = "RS256"
	ES256 = "ES256"
	EdDSA = "EdDSA"
)

// Default returns the configuration of a provider without file and environment: issuer http://localhost:8080, the embedded database
// exeunt.db in the current folder, no users and no clients.
func Default() *Config {
	return &Config{
		Issuer:            "http://localhost:8080",
		Listen:            ":8080",
		AdminListen:       "127.0.0.1:8081",
		Database:          "sqlite:exeunt.db",
		SigningAlgorithms: []string{RS256, ES256, EdDSA},
		Tokens:            Tokens{Code: time.Minute, Access: 10 * time.Minute, ID: 10 * time.Minute, Refresh: 720 * time.Hour},
		Keys:              Keys{RotateEvery: 2160 * time.Hour, KeepRetired: 8760 * time.Hour},
		Sessions:          Sessions{Idle: 12 * time.Hour, Absolute: 720 * time.Hour},
		Login:             Login{MaxFailures: 10, Window: 15 * time.Minute, MaxFailuresPerAddress: 100},
		Devices:           Devices{Policy: DevicesAsk, VelocityWindow: time.Hour},
		Passwords:         Passwords{Memory: 19 * MiB, Iterations: 2, Parallelism: 1},
		Logout: Logout{
			Wait: 800 * time.Millisecond, Fanout: FanoutParticipating,
			AttemptTimeout: 10 * time.Second, RetryFor: 72 * time.Hour, Workers: 64,
		},
		SMTP:           SMTP{TLS: SMTPStartTLS},
		Retention:      2160 * time.Hour,
		AuditRetention: 8760 * time.Hour,
		Traces:         Traces{Sample: 1},
		Log:            Log{Level: "info", Format: "json"},
	}
}

func defaultClient() Client {
	return Client{
		ApplicationType:          ApplicationWeb,
		TokenEndpointAuthMethod:  AuthBasic,
		GrantTypes:               []string{GrantAuthorizationCode},
		ResponseTypes:            []string{"code"},
		Scope:                    "openid profile email address phone offline_access",
		IDTokenSignedResponseAlg: RS256,
		SubjectType:              "public",
		AccessTokenFormat:        AccessTokenOpaque,
		RedirectLogout:           RedirectLogoutImmediate,
		OnTokenReuse:             OnTokenReuseRevoke,
	}
}
