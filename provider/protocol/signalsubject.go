package protocol

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/zitadel/oidc/v3/pkg/oidc"

	"github.com/exeunt-id/exeunt/provider/identity"
)

// subjectBody is the request of Shared Signals Framework 1.0, 8.1.3.
type subjectBody struct {
	ID       string          `json:"stream_id"`
	Subject  json.RawMessage `json:"subject"`
	Verified *bool           `json:"verified"`
}

// AddSubject answers POST /ssf/subjects/add (8.1.3.1). A stream carries the events of everybody who has used the client, and of nobody else,
// so adding somebody undoes their removal. The answer is the same whoever they are (9.1: subject probing).
func (s *Signals) AddSubject(c echo.Context) error {
	err := s.subject(c, func(ctx context.Context, streamID string, who identity.SubjectName) error {
		return s.Streams.AddSubject(ctx, streamID, who)
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusOK)
}

// RemoveSubject answers POST /ssf/subjects/remove (8.1.3.2): the stream is silent about them from now on.
func (s *Signals) RemoveSubject(c echo.Context) error {
	err := s.subject(c, func(ctx context.Context, streamID string, who identity.SubjectName) error {
		return s.Streams.RemoveSubject(ctx, streamID, who, s.Now().UTC())
	})
	if err != nil {
		return err
	}
	return c.NoContent(http.StatusNoContent)
}

func (s *Signals) subject(c echo.Context, fn func(ctx context.Context, streamID string, who identity.SubjectName) error) error {
	client, err := s.manager(c)
	if err != nil {
		return err
	}
	var body subjectBody
	if err := readJSON(c, &body); err != nil {
		return err
	}
	who, err := s.person(client, body.Subject)
	if err != nil {
		return err
	}
	return s.change(c, client, body.ID, func(ctx context.Context, stream identity.Stream) error {
		if who == (identity.SubjectName{}) {
			return nil
		}
		return fn(ctx, stream.ID, who)
	})
}

// person reads a subject identifier (RFC 9493, 3; Shared Signals Framework 1.0, 3): iss_sub of ours, the e-mail address for a client that may
// see it, or a complex subject of the user alone. Of anything else no event of ours is about: it is passed over, without a word about why.
func (s *Signals) person(client identity.Client, subject json.RawMessage) (identity.SubjectName, error) {
	var id struct {
		Format string `json:"format"`
		Issuer string `json:"iss"`
		Sub    string `json:"sub"`
		Email  string `json:"email"`
	}
	var nobody identity.SubjectName
	if err := decodeObject(subject, &id); err != nil || id.Format == "" {
		return nobody, malformedSubject(err)
	}
	switch id.Format {
	case "iss_sub":
		if id.Issuer == "" || id.Sub == "" {
			return nobody, malformedSubject(errors.New("iss or sub is missing"))
		}
		if id.Issuer == s.Issuer {
			return identity.SubjectName{ID: id.Sub}, nil
		}
	case "email":
		if id.Email == "" {
			return nobody, malformedSubject(errors.New("email is missing"))
		}
		if client.MayAsk(oidc.ScopeEmail) {
			return identity.SubjectName{Email: id.Email}, nil
		}
	case "complex":
		var members map[string]json.RawMessage
		if err := json.Unmarshal(subject, &members); err != nil {
			return nobody, malformedSubject(err)
		}
		if user, found := members["user"]; found && len(members) == 2 {
			return s.simplePerson(client, user)
		}
	}
	return nobody, nil
}

// simplePerson reads a member of a complex subject, which is a simple one (3.3).
func (s *Signals) simplePerson(client identity.Client, subject json.RawMessage) (identity.SubjectName, error) {
	var id struct {
		Format string `json:"format"`
	}
	if err := decodeObject(subject, &id); err != nil || id.Format == "complex" {
		return identity.SubjectName{}, malformedSubject(err)
	}
	return s.person(client, subject)
}

func malformedSubject(err error) error {
	return invalidRequest("The member subject must be a subject identifier (RFC 9493), such as one of the format iss_sub.").WithParent(err)
}
