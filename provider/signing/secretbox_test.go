package signing_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/exeunt-id/exeunt/provider/signing"
)

func TestSecretbox(t *testing.T) {
	box := func(secrets ...byte) *signing.Secretbox {
		t.Helper()
		var all [][32]byte
		for _, s := range secrets {
			all = append(all, [32]byte{s})
		}
		b, err := signing.NewSecretbox(all)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	sealed := box(1).Seal("stream 1", "Bearer push-token")
	if strings.Contains(string(sealed), "push-token") {
		t.Error("the secret can be read")
	}
	if text, err := box(2, 1).Open("stream 1", sealed); err != nil || text != "Bearer push-token" {
		t.Errorf("after a rotation: %q, %v", text, err)
	}
	altered := append([]byte{}, sealed...)
	altered[len(altered)-1] ^= 1
	for name, open := range map[string]func() (string, error){
		"another place":  func() (string, error) { return box(1).Open("stream 2", sealed) },
		"another secret": func() (string, error) { return box(2).Open("stream 1", sealed) },
		"altered":        func() (string, error) { return box(1).Open("stream 1", altered) },
		"nothing":        func() (string, error) { return box(1).Open("stream 1", nil) },
	} {
		if text, err := open(); !errors.Is(err, signing.ErrSealed) || text != "" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := signing.NewSecretbox(nil); err == nil {
		t.Error("a secretbox without a secret")
	}
}
