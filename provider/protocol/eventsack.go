package protocol

import (
	"context"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/exeunt-id/exeunt/logout"
)

var ackFormNames = append(slices.Clone(clientParameters), "ids")

// ackAnswer says which ids were acknowledged, now or before, and which are not those of events of the client.
type ackAnswer struct {
	Acknowledged []string `json:"acknowledged"`
	Unknown      []string `json:"unknown"`
}

// Acknowledge answers POST /api/events/ack: what the client names is delivered, by pull, and is not sent any more. The body is JSON,
// {"ids": [...]}, for a client that authenticates by header, or a form with ids separated by spaces.
func (e *Events) Acknowledge(c echo.Context) error {
	noStore(c)
	var p parameters
	var ids []string
	var err error
	if kind, _, perr := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType)); perr == nil && kind == echo.MIMEApplicationJSON {
		if ids, err = readAck(c.Request().Body); err != nil {
			return unreadable(err, invalidRequest("The body must be a JSON object with a member ids, a list of texts.").WithParent(err))
		}
	} else {
		if p, err = readForm(c, ackFormNames...); err != nil {
			return err
		}
		if p["ids"] != "" {
			ids = strings.Fields(p["ids"])
		}
	}
	client, err := e.client(c, p)
	if err != nil {
		return err
	}
	switch {
	case ids == nil:
		return invalidRequest("The parameter ids is missing.")
	case len(ids) > logout.MaxPull:
		return invalidRequest("More than %d ids at once; acknowledge them in several requests.", logout.MaxPull)
	}
	known, unknown, err := e.Inbox.Acknowledge(context.WithoutCancel(c.Request().Context()), client.ID, ids)
	if err != nil {
		return unavailable(err)
	}
	answer := ackAnswer{Acknowledged: []string{}, Unknown: []string{}}
	answer.Acknowledged, answer.Unknown = append(answer.Acknowledged, known...), append(answer.Unknown, unknown...)
	return c.JSON(http.StatusOK, answer)
}

// readAck reads {"ids": [...]}: nil when there is no such member. Other members are ignored, a second value is not.
func readAck(body io.Reader) ([]string, error) {
	text, err := io.ReadAll(body)
	if err != nil {
		return nil, err
	}
	var ack struct {
		IDs []string `json:"ids"`
	}
	err = json.Unmarshal(text, &ack)
	return ack.IDs, err
}
