package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/exeunt-id/exeunt/config"
	"github.com/exeunt-id/exeunt/demo"
)

// printDemo says where to click, as whom, and what to try.
func printDemo(w io.Writer, cfg *config.Config, console string, apps []demo.Config, folder string) {
	line := strings.Repeat("-", 76)
	fmt.Fprintf(w, "%s\n  Exeunt is running at %s, and so are three apps:\n\n", line, cfg.Issuer)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	for _, app := range apps {
		fmt.Fprintf(t, "    %s\t%s/\n", app.Name, app.BaseURL)
	}
	_ = t.Flush() // output remembers a failure
	fmt.Fprint(w, "\n  Sign in as\n\n")
	for _, user := range cfg.Users {
		role := ""
		if user.Admin {
			role = ", who may use the console"
		}
		fmt.Fprintf(t, "    %s\tpassword %s%s\n", user.Username, user.Password.Reveal(), role)
	}
	_ = t.Flush()
	fmt.Fprintf(w, `
  Try this

    1. Open %s and sign in.
    2. Open the other two in tabs beside it and sign in there: no password
       is asked for, because you are signed in at the provider already.
    3. Sign out in one app and look at the tabs of the others.
    4. See where you are signed in at %s/account, and end it there.
    5. Look at the receipts in the console at %s

  Ctrl-C ends the demo. Its database is in %s
%s
`, apps[0].Name, strings.TrimSuffix(cfg.Issuer, "/"), console, folder, line)
}
