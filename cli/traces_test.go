package cli_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/exeunt-id/exeunt/database/databasetest"
)

// A node sends the last spans before it ends; without a collector it serves and ends as ever.
func TestServeSendsTraces(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var sent bytes.Buffer
	collector := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		_, _ = io.Copy(&sent, r.Body)
	}))
	defer collector.Close()
	for _, endpoint := range []string{collector.URL, "http://127.0.0.1:1"} {
		node := startWith(t, []string{"EXEUNT_TRACES_ENDPOINT=" + endpoint, "EXEUNT_TRACES_SAMPLE=1.0"}, "serve", "--config", configuration(t, databasetest.SQLiteURL(t), "127.0.0.1:0"))
		get(t, "http://"+node.ready(t)+"/.well-known/openid-configuration")
		if code, err := node.end(); code != 0 || err != nil {
			t.Errorf("%s: exit code %d, %v\n%s", endpoint, code, err, node.stderr)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if !bytes.Contains(sent.Bytes(), []byte("GET /.well-known/openid-configuration")) {
		t.Error("the collector did not hear of the request")
	}
}
