package doctor

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Verdict says how an answer compares with what was expected. See the package.
type Verdict string

// The verdicts.
const (
	Pass      Verdict = "pass"
	Warn      Verdict = "warn"
	Fail      Verdict = "fail"
	Unproven  Verdict = "unproven"
	NotTested Verdict = "not tested"
)

// Finding is the outcome of one check.
type Finding struct {
	// Name identifies the check, such as "alg-none".
	Name string `json:"name"`
	// Verdict is how it went.
	Verdict Verdict `json:"verdict"`
	// Sent says what was sent or looked at, Expected and Got what ought to have
	// come back and what did.
	Sent     string `json:"sent"`
	Expected string `json:"expected"`
	Got      string `json:"got"`
	// Advice says what to do. Empty if the verdict is Pass.
	Advice string `json:"advice,omitempty"`
	// Section is where the rule stands.
	Section string `json:"section"`
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int `json:"status,omitempty"`
	// DurationMS is how long the answer took, in milliseconds.
	DurationMS int64 `json:"duration_ms"`
}

// Report is what an examination found.
type Report struct {
	// URL is the endpoint that was examined.
	URL string `json:"url"`
	// At is when the examination began.
	At time.Time `json:"at"`
	// Findings are in the order in which they were made.
	Findings []Finding `json:"findings"`
}

// Count returns how many findings have the verdict.
func (r *Report) Count(verdict Verdict) (n int) {
	for _, f := range r.Findings {
		if f.Verdict == verdict {
			n++
		}
	}
	return n
}

// WriteTo prints the report for people: a table of all checks, what to do about
// each that is not as it should be, and a line that sums up.
func (r *Report) WriteTo(w io.Writer) (int64, error) {
	out := &counting{w: w}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "VERDICT\tCHECK\tSENT\tEXPECTED\tGOT\tSECTION")
	for _, f := range r.Findings {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Verdict, f.Name, f.Sent, f.Expected, orDash(f.Got), f.Section)
	}
	if err := table.Flush(); err != nil {
		return out.n, err
	}
	for _, verdict := range []Verdict{Fail, Warn} {
		for _, f := range r.Findings {
			if f.Verdict == verdict {
				fmt.Fprintf(out, "\n%s: %s\n  %s\n  See %s.\n", strings.ToUpper(string(verdict)), f.Name, f.Advice, f.Section)
			}
		}
	}
	for _, verdict := range []Verdict{Unproven, NotTested} {
		if n := r.Count(verdict); n > 0 {
			first := r.Findings[slices.IndexFunc(r.Findings, func(f Finding) bool { return f.Verdict == verdict })]
			fmt.Fprintf(out, "\n%d %s: %s\n", n, verdict, first.Advice)
		}
	}
	fmt.Fprintf(out, "\n%s: %d checks, %d passed, %d failed, %d warnings, %d unproven, %d not tested\n", r.URL, len(r.Findings),
		r.Count(Pass), r.Count(Fail), r.Count(Warn), r.Count(Unproven), r.Count(NotTested))
	return out.n, out.err
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}

// counting counts what is written, and remembers the first error.
type counting struct {
	w   io.Writer
	n   int64
	err error
}

func (c *counting) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.err == nil {
		c.err = err
	}
	return n, err
}
