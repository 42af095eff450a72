package protocol

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// Error codes of RFC 7591, 3.2.2.
const (
	codeInvalidRedirectURI          = "invalid_redirect_uri"
	codeInvalidClientMetadata       = "invalid_client_metadata"
	codeUnapprovedSoftwareStatement = "unapproved_software_statement"
)

// clientInformation is the answer of RFC 7591, 3.2.1, and of RFC 7592, 3.
type clientInformation struct {
	identity.Client
	SubjectType             string `json:"subject_type"`
	ClientSecret            string `json:"client_secret,omitempty"`
	ClientSecretExpiresAt   *int64 `json:"client_secret_expires_at,omitempty"` // of clients that have a secret: 0, never
	ClientIDIssuedAt        int64  `json:"client_id_issued_at"`                // Unix seconds
	RegistrationAccessToken string `json:"registration_access_token"`
	RegistrationClientURI   string `json:"registration_client_uri"`
}

// information describes a client to itself.
func (r *Registration) information(c identity.Client, secret, token string) clientInformation {
	i := clientInformation{
		Client: c.Registration(), SubjectType: "public", ClientSecret: secret, ClientIDIssuedAt: c.CreatedAt.Unix(),
		RegistrationAccessToken: token, RegistrationClientURI: r.URL(PathRegister) + "/" + c.ID,
	}
	if len(c.SecretHash) > 0 {
		i.ClientSecretExpiresAt = new(int64)
	}
	return i
}

// readMetadata reads the body of a registration (RFC 7591, 3.1).
func readMetadata(c echo.Context) ([]byte, error) {
	r := c.Request()
	if kind, _, err := mime.ParseMediaType(r.Header.Get(echo.HeaderContentType)); err != nil || kind != echo.MIMEApplicationJSON {
		return nil, invalidMetadata("The content type must be application/json.")
	}
	metadata, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, unreadable(err, invalidMetadata("The body cannot be read.").WithParent(err))
	}
	return metadata, nil
}

// checkUpdate applies RFC 7592, 2.2, to what is not metadata: the client names itself, does not choose its secret, and does not send back
// what it was issued. It returns the secret if that was sent.
func checkUpdate(client identity.Client, metadata []byte) (secret string, err error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(metadata, &members) != nil {
		return "", invalidMetadata("The metadata is not a JSON object.")
	}
	for _, name := range []string{"registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at"} {
		if _, sent := members[name]; sent {
			return "", invalidMetadata(name + ": is not for the client to set; leave it out.")
		}
	}
	var id string
	if json.Unmarshal(members["client_id"], &id) != nil || id != client.ID {
		return "", invalidMetadata("client_id: is not that of this client; send the one that it was issued.")
	}
	if sent, ok := members["client_secret"]; ok && (json.Unmarshal(sent, &secret) != nil || !client.SecretMatches(secret)) {
		return "", invalidMetadata("client_secret: is not that of this client; leave it out, or send the one that it was issued.")
	}
	return secret, nil
}

func invalidMetadata(description string) *oidc.Error {
	return &oidc.Error{ErrorType: codeInvalidClientMetadata, Description: description}
}

// metadataRefused turns what is wrong with the metadata into the answer of RFC 7591, 3.2.2. Other errors stay as they are.
func metadataRefused(err error) error {
	var refused *identity.MetadataError
	if !errors.As(err, &refused) {
		return err
	}
	e := invalidMetadata(description(refused.Error()))
	for _, p := range refused.Problems {
		switch {
		case p.Member == "software_statement":
			e.ErrorType = codeUnapprovedSoftwareStatement
		case p.Member == "redirect_uris", strings.HasPrefix(p.Member, "redirect_uris["):
			e.ErrorType = codeInvalidRedirectURI
			return e
		}
	}
	return e
}

// maxDescription is how many characters of an error_description are sent: every member of a registration may have something wrong.
const maxDescription = 1000

// description makes a text fit for error_description: ASCII (RFC 7591, 3.2.2), with a full stop.
func description(text string) string {
	ascii := strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, text)
	if len(ascii) > maxDescription {
		return ascii[:maxDescription] + "..."
	}
	return strings.TrimSuffix(ascii, ".") + "."
}
