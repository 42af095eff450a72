package doctor

import (
	"fmt"
	"net/http"
	"slices"
)

func expected(c check) string {
	if c.good {
		return "200"
	}
	text := "400"
	for _, status := range c.also {
		if status != connectionClosed {
			text += fmt.Sprintf(" or %d", status)
		}
	}
	return text
}

// judge compares an answer with what was expected.
func (e *examination) judge(c check, f Finding, a answer) Finding {
	f.Got, f.Status, f.DurationMS = a.String(), a.status, a.took.Milliseconds()
	wanted := http.StatusBadRequest
	if c.good {
		wanted = http.StatusOK
	}
	switch {
	case a.status == wanted || slices.Contains(c.also, a.status) || a.closed && slices.Contains(c.also, connectionClosed):
		f.Verdict = Pass
		if !c.good && !c.unsigned && e.cfg.Signer == nil {
			f.Verdict = Unproven
			f.Advice = "These were refused, perhaps only because a stranger signed them. Give --client and --config, so that each has one fault alone."
		}
		return f
	case a.status == 0:
		f.Verdict, f.Advice = Fail, "There was no answer: see whether the endpoint is reachable from here, and what it does with this request."
		return f
	case c.good && a.status == http.StatusNoContent:
		f.Verdict, f.Advice = Warn, "Answer 200: some providers take 204 for a failure."
		return f
	case a.status >= 300 && a.status < 400:
		f.Verdict, f.Advice = Fail, "Answer at this address: providers follow no redirects. Perhaps a login page stands before the endpoint, or a slash is missing at its end."
		return f
	case a.status >= 500:
		f.Verdict, f.Advice = Fail, "Do not answer 5xx unless you want the token again: providers retry it, for days. "+c.advice
		return f
	case a.status == http.StatusUnauthorized || a.status == http.StatusForbidden || a.status == http.StatusNotFound:
		f.Verdict, f.Advice = Fail, fmt.Sprintf("Answer %d, not %d. Does a login, CSRF protection or a firewall stand before the endpoint, or is the address wrong? %s", wanted, a.status, c.advice)
	default:
		f.Verdict, f.Advice = Fail, c.advice
	}
	if c.lenient {
		f.Verdict = Warn
	}
	return f
}
