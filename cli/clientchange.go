package cli

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/logout"
	"github.com/exeunt-id/exeunt/provider"
	"github.com/exeunt-id/exeunt/provider/identity"
)

// clientFlags is how create and update are told the metadata: a file with the names of registration, and flags for what is needed most,
// which precede it.
type clientFlags struct {
	flags *flag.FlagSet
	file  string
	texts map[string]*string
	lists map[string]*listFlag
	skip  bool
}

// clientTextFlags and clientListFlags map flags to members of the metadata.
var (
	clientTextFlags = []struct{ flag, member, usage string }{
		{"name", "client_name", "`NAME` that people see"},
		{"type", "application_type", "`TYPE`: web or native"},
		{"auth-method", "token_endpoint_auth_method", "`METHOD` of authentication; none for a public client"},
		{"scope", "scope", "`SCOPES` that the client may ask for, separated by spaces"},
		{"backchannel-logout-uri", "backchannel_logout_uri", "`URI` where logout tokens are sent"},
		{"webhook-uri", "webhook_uri", "`URI` where signed events are sent"},
	}
	clientListFlags = []struct{ flag, member, usage string }{
		{"redirect-uri", "redirect_uris", "`URI` where the browser may be sent after login; may be repeated"},
		{"post-logout-redirect-uri", "post_logout_redirect_uris", "`URI` where the browser may be sent after logout; may be repeated"},
		{"grant-type", "grant_types", "grant `TYPE`; may be repeated"},
	}
)

func (f *clientFlags) define(flags *flag.FlagSet) {
	f.flags, f.texts, f.lists = flags, map[string]*string{}, map[string]*listFlag{}
	flags.StringVar(&f.file, "metadata", "", "read it from `FILE`, JSON with the names of RFC 7591 and of `clients` in the configuration; - is standard input")
	for _, t := range clientTextFlags {
		f.texts[t.flag] = flags.String(t.flag, "", t.usage)
	}
	for _, l := range clientListFlags {
		f.lists[l.flag] = &listFlag{}
		flags.Var(f.lists[l.flag], l.flag, l.usage)
	}
	flags.BoolVar(&f.skip, "skip-consent", false, "people are not asked for consent")
}

// apply changes metadata as file and flags say. A member that is null in the file goes back to its default (RFC 7396).
func (f *clientFlags) apply(metadata map[string]any, env Env) error {
	if f.file != "" {
		data, err := f.read(env)
		if err != nil {
			return err
		}
		var members map[string]any
		if err := json.Unmarshal(data, &members); err != nil {
			return fmt.Errorf("--metadata: the metadata is not a JSON object: %w", err)
		}
		for name, value := range members {
			metadata[name] = value
			if value == nil {
				delete(metadata, name)
			}
		}
	}
	f.flags.Visit(func(set *flag.Flag) {
		for _, t := range clientTextFlags {
			if t.flag == set.Name {
				metadata[t.member] = *f.texts[t.flag]
			}
		}
		for _, l := range clientListFlags {
			if l.flag == set.Name {
				metadata[l.member] = *f.lists[l.flag]
			}
		}
		if set.Name == "skip-consent" {
			metadata["skip_consent"] = f.skip
		}
	})
	return nil
}

// maxMetadata is far more than a client needs.
const maxMetadata = 1 << 20

func (f *clientFlags) read(env Env) (data []byte, err error) {
	source := env.Stdin
	if f.file != "-" {
		file, err := os.Open(f.file)
		if err != nil {
			return nil, fmt.Errorf("--metadata: %w; give the path of a readable file", err)
		}
		defer func() { _ = file.Close() }() // nothing was written
		source = file
	}
	if source == nil {
		return nil, errors.New("--metadata: there is no standard input")
	}
	if data, err = io.ReadAll(io.LimitReader(source, maxMetadata)); err != nil {
		return nil, fmt.Errorf("--metadata: %w", err)
	}
	return data, nil
}

// renewal says which secrets are replaced.
type renewal struct{ client, webhook bool }

// checkClient reads metadata by the rules of the configuration. have is the client as it was, of which the secrets are kept. It returns the
// client, and a line with the secrets that were made because it needs them and has none, or because renew says so.
func checkClient(cfg *config.Config, metadata map[string]any, have identity.Client, renew renewal) (client identity.Client, made clientSecretLine, err error) {
	data, err := json.Marshal(metadata)
	if err != nil {
		return client, made, err
	}
	c, err := config.ParseClient(data)
	if err != nil {
		return client, made, err
	}
	if c.ClientID == "" {
		c.ClientID = logout.NewID()
	}
	given := c.ClientSecret.Reveal()
	if err := cfg.CheckClient(&c, true); err != nil {
		return client, made, err
	}
	if client, err = newClient(cfg, c); err != nil {
		return client, made, err
	}
	made.ID = client.ID
	usesSecret := c.TokenEndpointAuthMethod == config.AuthBasic || c.TokenEndpointAuthMethod == config.AuthPost
	switch {
	case !usesSecret:
		client.SecretHash = nil
	case given != "":
		sum := sha256.Sum256([]byte(given))
		client.SecretHash = sum[:]
	case renew.client || len(have.SecretHash) == 0:
		made.Secret, client.SecretHash = provider.NewClientSecret()
	default:
		client.SecretHash = have.SecretHash
	}
	switch {
	case client.WebhookURI == "", len(client.WebhookSecrets) > 0:
	case renew.webhook || len(have.WebhookSecrets) == 0:
		// The newest so far stays beside the new one, until the app knows that.
		made.WebhookSecret = provider.NewWebhookSecret()
		client.WebhookSecrets = append([]identity.Secret{identity.Secret(made.WebhookSecret)}, have.WebhookSecrets[:min(1, len(have.WebhookSecrets))]...)
	default:
		client.WebhookSecrets = have.WebhookSecrets
	}
	return client, made, nil
}

// metadataProblems leaves out the lines: they are of a text that nobody has seen.
func metadataProblems(what string, err error) error {
	var invalid *config.Error
	if errors.As(err, &invalid) {
		for i := range invalid.Problems {
			invalid.Problems[i].Line = 0
		}
	}
	return problems(what, err)
}

func clientCreateCommand() *command {
	return &command{
		path:    "exeunt client create",
		args:    "[CLIENT_ID]",
		summary: "Create a client, and print its secret.",
		details: "Without a CLIENT_ID one is made. The secret is shown once and kept as a hash only. The rules are those of `clients` in the configuration.",
		example: "exeunt client create --config exeunt.yaml shop --redirect-uri https://shop.example.com/callback \\\n" +
			"    --backchannel-logout-uri https://shop.example.com/backchannel-logout\nexeunt client create --metadata shop.json",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var given clientFlags
			given.define(flags)
			return func(ctx context.Context, args []string, env Env) error {
				metadata := map[string]any{}
				if err := given.apply(metadata, env); err != nil {
					return err
				}
				switch {
				case len(args) > 1:
					return usagef("give at most one client_id")
				case len(args) == 1:
					metadata["client_id"] = args[0]
				}
				return withOperator(ctx, *path, env, func(o *provider.Operator, cfg *config.Config) error {
					client, made, err := checkClient(cfg, metadata, identity.Client{}, renewal{})
					if err != nil {
						return metadataProblems("the client is not created", err)
					}
					err = o.CreateClient(ctx, client)
					if errors.Is(err, identity.ErrIDTaken) {
						return fmt.Errorf("there is a client %s already; choose another client_id, or use `exeunt client update`", client.ID)
					}
					if err != nil {
						return err
					}
					return writeJSON(env.Stdout, made)
				})
			}
		},
	}
}

// clientSecretLine is what create and update print. A secret is there only when it was made.
type clientSecretLine struct {
	ID            string `json:"client_id"`
	Secret        string `json:"client_secret,omitempty"`
	WebhookSecret string `json:"webhook_secret,omitempty"`
}

func clientUpdateCommand() *command {
	return &command{
		path:    "exeunt client update",
		args:    "CLIENT_ID",
		summary: "Change a client's metadata, or its secret.",
		details: "What neither the file nor a flag names stays as it is; null in the file brings the default back. Lists are replaced as a whole.\n" +
			"Clients of the configuration file are changed there.",
		example: "exeunt client update --config exeunt.yaml shop --name 'The Shop'\nexeunt client update shop --new-secret",
		setup: func(flags *flag.FlagSet) runFunc {
			path := configFlag(flags)
			var given clientFlags
			given.define(flags)
			var renew renewal
			flags.BoolVar(&renew.client, "new-secret", false, "make a new secret and print it; the old one is void at once, on SQLite within half a minute")
			flags.BoolVar(&renew.webhook, "new-webhook-secret", false, "make a new secret for the webhook and print it; the newest so far signs too, until the next one is made")
			return withClient(path, func(ctx context.Context, o *provider.Operator, cfg *config.Config, c provider.Client, env Env) error {
				if c.Configured {
					return fmt.Errorf("client %s comes from the configuration file; change its entry in `clients` and start the provider again", c.ID)
				}
				metadata, err := metadataOf(c.Client)
				if err != nil {
					return err
				}
				if err := given.apply(metadata, env); err != nil {
					return err
				}
				if metadata["client_id"] != c.ID {
					return usagef("the metadata is that of another client, %v; a client_id cannot be changed", metadata["client_id"])
				}
				if renew.webhook && metadata["webhook_uri"] == nil {
					return usagef("--new-webhook-secret: the client has no webhook_uri; set it with --webhook-uri")
				}
				client, made, err := checkClient(cfg, metadata, c.Client, renew)
				if err != nil {
					return metadataProblems("the client is not changed", err)
				}
				if err := o.UpdateClient(ctx, client); err != nil {
					return err
				}
				return writeJSON(env.Stdout, made)
			})
		},
	}
}

// metadataOf returns a client's metadata by the names of registration.
func metadataOf(c identity.Client) (map[string]any, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	var metadata map[string]any
	err = json.Unmarshal(data, &metadata)
	return metadata, err
}
