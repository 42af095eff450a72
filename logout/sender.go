package logout

import (
	"io"
	"net/http"
)

// sender makes the requests of channels that speak HTTP.
type sender struct {
	outgoing *Outgoing
	trace    Tracer
}

// send makes a request and lets judge read the answer. private says that the receiver may be on a private or loopback address.
func (s sender) send(private bool, req *http.Request, judge func(res *http.Response, body []byte) error) (Answer, error) {
	s.trace.Inject(req.Context(), req.Header)
	res, err := s.outgoing.Client(private).Do(req)
	if err != nil {
		return Answer{}, plainError(err)
	}
	defer func() { _ = res.Body.Close() }()
	// An answer that breaks off after its status line is still an answer.
	text, _ := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return Answer{Status: res.StatusCode, Snippet: snippet(text)}, judge(res, text)
}
