package cli

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/exeunt-id/exeunt/doctor"
)

// doctorServe are the flags of `exeunt doctor --serve`.
type doctorServe struct {
	listen, issuer, secret string
	login, page, logout    string
}

func (f *doctorServe) define(flags *flag.FlagSet) {
	flags.StringVar(&f.listen, "listen", "", "with --serve: listen on `ADDRESS` (default 127.0.0.1:9100); whoever reaches it is logged in without a password")
	flags.StringVar(&f.issuer, "issuer", "", "with --serve: where the app reaches the doctor, as a `URL` (default http:// and the address)")
	flags.StringVar(&f.secret, "client-secret", "", "with --serve: the app's client `SECRET` (default: none is asked for)")
	flags.StringVar(&f.login, "login", "", "with --serve: the `URL` that begins a login at the app")
	flags.StringVar(&f.page, "page", "", "with --serve: the `URL` of a page that only people who are logged in see")
	flags.StringVar(&f.logout, "logout", "", "with --serve: the `URL` that begins a logout at the app")
}

func (f *doctorServe) set() bool { return *f != doctorServe{} }

// serveAndExamine is `exeunt doctor --serve`.
func (f *doctorFlags) serveAndExamine(ctx context.Context, address string, trust *tls.Config, env Env) error {
	switch {
	case address == "":
		return usagef("give the URL of the app's logout endpoint")
	case f.config != "":
		return usagef("--serve needs no --config: the doctor has keys of its own")
	case (f.login == "") != (f.page == ""):
		return usagef("--login and --page belong together")
	case f.logout != "" && f.login == "":
		return usagef("--logout needs --login and --page")
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cmp.Or(f.listen, "127.0.0.1:9100"))
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	issuer := strings.TrimSuffix(cmp.Or(f.issuer, "http://"+listener.Addr().String()), "/")
	small, err := doctor.NewProvider(doctor.ProviderConfig{Issuer: issuer, ClientID: cmp.Or(f.client, "doctor"), ClientSecret: f.secret})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	serving, stop := context.WithCancel(ctx)
	served := make(chan error, 1)
	go func() { served <- serveHTTP(serving, listener, small, time.Second, commandLogger(env)) }()

	fmt.Fprintf(env.Stderr, "The doctor is a provider: issuer %s, client_id %s. Everybody who comes is logged in.\n", issuer, cmp.Or(f.client, "doctor"))
	where := doctor.DriveConfig{Backchannel: address, Login: f.login, Page: f.page, Logout: f.logout, TLS: trust}
	if f.login != "" {
		var report *doctor.Report
		if report, err = doctor.Drive(ctx, small, where); err == nil {
			err = f.print(report, env)
		}
	} else {
		fmt.Fprintln(env.Stderr, "Log in at the app now; each session is examined and then ended. Ctrl-C ends the doctor.")
		err = f.watch(ctx, small, where, env)
	}
	stop()
	return errors.Join(err, <-served)
}

// watch reports on the sessions that somebody begins by hand. The error is that
// of the last one that had something wrong.
func (f *doctorFlags) watch(ctx context.Context, small *doctor.Provider, where doctor.DriveConfig, env Env) error {
	var wrong error
	err := doctor.Watch(ctx, small, where, func(login doctor.Login, report *doctor.Report) error {
		fmt.Fprintf(env.Stderr, "The session %s was examined and ended. Load a page of the app: it must not know you any more.\n", login.SID)
		if err := f.print(report, env); err != nil {
			wrong = err
		}
		return nil
	})
	return errors.Join(err, wrong)
}
