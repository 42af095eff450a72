package config_test

import (
	"fmt"

	"github.com/exeunt-id/exeunt/config"
)

func ExampleParse() {
	file := `
issuer: http://localhost:8080
users:
  - {username: alice, password: wonderland}
clients:
  - client_id: shop
    client_secret: a-secret-for-development
    redirect_uris: [http://shop.localhost:3000/callback]
    backchannel_logout_uri: http://shop.localhost:3000/backchannel-logout
`
	c, _, err := config.Parse([]byte(file), []string{"EXEUNT_LOGOUT_WAIT=2s"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Logout.Wait, c.Clients[0].GrantTypes, c.Clients[0].ClientSecret)
	// Output: 2s [authorization_code] [redacted]
}

func ExampleParse_problems() {
	file := `issuer: https://id.example.com
logout: {wait: 800}
clients:
  - client_id: shop
    client_secret: kept-out-of-every-message
    redirect_uri: http://shop.example.com/callback
`
	_, _, err := config.Parse([]byte(file), []string{"EXEUNT_LOG_LEVEL=loud"})
	fmt.Println(err)
	// Output:
	// configuration: 5 problems
	//   line 2, logout.wait: "800" is not a duration; write a number with a unit, such as 800ms, 10m or 720h (0 turns it off)
	//   line 4, clients[0].redirect_uris: is missing; list where the browser may be sent after login
	//   line 6, clients[0].redirect_uri: unknown key; did you mean redirect_uris?
	//   EXEUNT_LOG_LEVEL, log.level: "loud" is not known here; use debug, info, warn, error
	//   secrets: is missing, it encrypts the signing keys; make one with: openssl rand -base64 32
}

func ExampleConfig_Validate() {
	c := config.Default()
	c.Clients = []config.Client{{ClientID: "spa", TokenEndpointAuthMethod: config.AuthNone, RedirectURIs: []string{"javascript:alert(1)"}}}
	fmt.Println(c.Validate())
	// Output:
	// configuration: 1 problem
	//   clients[0].redirect_uris[0]: "javascript:alert(1)" has the scheme javascript; use https, or set application_type: native for an app with a scheme of its own
}

func ExampleReference() {
	for _, key := range config.Reference()[:3] {
		fmt.Printf("| `%s` | `%s` | %s |\n", key.Path, key.Default, key.Description)
	}
	// Output:
	// | `issuer` | `http://localhost:8080` | The provider's public URL: scheme, host, optional port and optional path, without a trailing slash. https, or http on a loopback host for development. |
	// | `listen` | `:8080` | Address and port to serve on. |
	// | `admin_listen` | `127.0.0.1:8081` | Address and port of metrics, admin API and console; empty for none. |
}
