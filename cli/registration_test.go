package cli_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

// A client registers itself at a server that was told a token by the environment. Commands say where it came from, the operator may change it,
// and a server that starts without clients in its file misses only those that were in the file.
func TestClientThatRegisteredItself(t *testing.T) {
	databasetest.EachURL(t, func(t *testing.T, url string) {
		settings := fmt.Sprintf("issuer: http://localhost:8080\nlisten: 127.0.0.1:0\ndatabase: %q\n", url)
		file := write(t, "without.yaml", settings)
		withClient := write(t, "with.yaml", settings+
			"clients: [{client_id: till, client_secret: a-secret-that-is-long-enough-for-this, redirect_uris: [http://localhost/till]}]\n")
		server := startWith(t, []string{"EXEUNT_REGISTRATION_INITIAL_ACCESS_TOKENS=hunter2,a-token"}, "serve", "--config", withClient)
		at := server.ready(t)
		var made struct {
			ID    string `json:"client_id"`
			Token string `json:"registration_access_token"`
		}
		body := tell(t, http.MethodPost, "http://"+at+"/register", "a-token", `{"redirect_uris": ["http://localhost/a"], "client_name": "Kiosk"}`, http.StatusCreated)
		if err := json.Unmarshal(body, &made); err != nil || made.ID == "" {
			t.Fatalf("%v: %s", err, body)
		}

		list := run(t, nil, "client", "list", "--config", file)
		for line := range strings.Lines(list.stdout) {
			if strings.Contains(line, made.ID) && !strings.Contains(line, "registration") || strings.Contains(line, "till") && !strings.Contains(line, " file ") {
				t.Errorf("the wrong source: %s", line)
			}
		}
		if !strings.Contains(list.stdout, made.ID) {
			t.Errorf("it is not listed: %s%s", list.stdout, list.stderr)
		}
		run(t, nil, "client", "list", "--json", "--config", file).check(t, 0, []string{`"client_id":"` + made.ID + `"`, `"source":"registration"`, `"source":"file"`}, nil)
		run(t, nil, "client", "show", "--config", file, made.ID).check(t, 0, []string{`"client_name": "Kiosk"`}, []string{"source: registration; created "})
		run(t, nil, "client", "show", "--config", file, "till").check(t, 0, []string{`"client_id": "till"`}, []string{"source: file; "})
		run(t, nil, "client", "update", "--config", file, made.ID, "--name", "Stall").check(t, 0, []string{made.ID}, nil)
		if body := tell(t, http.MethodGet, "http://"+at+"/register/"+made.ID, made.Token, "", http.StatusOK); !strings.Contains(string(body), "Stall") {
			t.Errorf("after the operator's change: %s", body)
		}
		if code, err := server.end(); code != 0 || err != nil {
			t.Fatalf("exit code %d, %v", code, err)
		}
		if log := server.stderr.String(); strings.Contains(log, "hunter2") || strings.Contains(log, "a-token") || strings.Contains(log, made.Token) {
			t.Errorf("the log shows a token:\n%s", log)
		}

		without := start(t, "serve", "--config", file)
		at = without.ready(t)
		if warning := without.stderr.line(t, "no longer in the configuration"); !strings.Contains(warning, `"till"`) || strings.Contains(warning, made.ID) {
			t.Errorf("the warning names the wrong clients: %s", warning)
		}
		tell(t, http.MethodGet, "http://"+at+"/register/"+made.ID, made.Token, "", http.StatusNotFound)
	})
}

// tell makes a request with a bearer token and returns the body of the answer.
func tell(t *testing.T, method, url, token, body string, status int) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(res.Body)
	if err := res.Body.Close(); err != nil {
		t.Error(err)
	}
	if err != nil || res.StatusCode != status {
		t.Fatalf("%s %s: %s, want %d; %v: %s", method, url, res.Status, status, err, answer)
	}
	return answer
}
