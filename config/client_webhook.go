package config

import (
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
)

// WebhookEvents lists the values of Client.WebhookEvents.
var WebhookEvents = []string{
	"user.logged_out", "session.ended", "device.detached", "device.signal", "token.revoked",
	"user.created", "user.updated", "user.disabled", "user.deleted", "user.password_changed",
}

// makeWebhookSecret says how to make a value of Client.WebhookSecrets.
const makeWebhookSecret = "make one with: echo whsec_$(openssl rand -base64 32)"

// checkWebhook: the secrets are those of Standard Webhooks.
func (c clientRules) checkWebhook() {
	if c.WebhookURI != "" {
		if _, err := webURI(c.WebhookURI, c.httpAllowed); err != nil {
			c.add("webhook_uri", "%v", err)
		}
	}
	switch {
	case c.WebhookURI == "" && len(c.WebhookSecrets) > 0:
		c.add("webhook_secrets", "has no effect without webhook_uri; set that or remove the key")
	case c.WebhookURI != "" && len(c.WebhookSecrets) == 0 && !c.secretKept:
		c.add("webhook_secrets", "is missing, it signs the events; %s", makeWebhookSecret)
	case len(c.WebhookSecrets) > 2:
		c.add("webhook_secrets", "holds %d secrets; keep the newest two at most: a third only helps whoever has stolen it", len(c.WebhookSecrets))
	case len(c.WebhookSecrets) == 2 && c.WebhookSecrets[0] == c.WebhookSecrets[1]:
		c.add("webhook_secrets[1]", "is the same as the first; remove it, or %s", makeWebhookSecret)
	}
	for i, secret := range c.WebhookSecrets {
		if problem := checkWebhookSecret(secret); problem != "" {
			c.add(fmt.Sprintf("webhook_secrets[%d]", i), "%s; %s", problem, makeWebhookSecret)
		}
	}
	for i, event := range c.WebhookEvents {
		path := fmt.Sprintf("webhook_events[%d]", i)
		c.oneOf(path, event, WebhookEvents...)
		if slices.Index(c.WebhookEvents, event) < i {
			c.add(path, "%s is there twice; remove one", quote(event))
		}
	}
	if c.UserToken && c.TokenEndpointAuthMethod == AuthNone {
		c.add("user_token", "needs a client that can prove who it is, because it exchanges the token; remove the key, or choose another token_endpoint_auth_method than none")
	}
}

// checkWebhookSecret returns what is wrong with a secret, without showing it.
func checkWebhookSecret(s Secret) string {
	text, ok := strings.CutPrefix(s.Reveal(), "whsec_")
	if !ok {
		return "does not begin with whsec_"
	}
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return "is not base64 after whsec_"
	}
	if len(key) < 24 || len(key) > 64 {
		return fmt.Sprintf("holds %d bytes instead of 24 to 64", len(key))
	}
	return ""
}
