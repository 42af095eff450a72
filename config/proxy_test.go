package config

import (
	"fmt"
	"testing"
)

func TestTrustedNetworks(t *testing.T) {
	c := Default()
	c.TrustedProxies = []string{"10.1.2.3", "10.1.2.3/8", "::ffff:192.0.2.1", "2001:db8::/32"}
	if got, want := fmt.Sprint(c.TrustedNetworks()), "[10.1.2.3/32 10.0.0.0/8 192.0.2.1/32 2001:db8::/32]"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
