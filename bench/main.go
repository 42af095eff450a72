// Command bench loads a real exeunt process and prints what it reaches beside the floor: a bare server that, for a logout request, only
// signs the logout tokens and posts them to the same endpoints. Provider, floor, relying parties and load share one machine, so only the
// ratios say something about another one.
//
//	go run ./bench -exeunt bin/exeunt [-postgres postgres://...] [-only sign-on,logout,answer,read,start,fairness,mass,realtime]
//
// Fairness, the mass logout and realtime take minutes each, so they are made only where -only names them.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"text/tabwriter"
)

// options are the command line's.
type options struct {
	binary   string
	postgres string
	only     []string
	signing  []string
	sessions int
	flows    int
	rounds   int
	mass     int
	backlog  int
	pages    int
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == "floor" {
		exit(runFloor(os.Args[2:]))
	}
	var o options
	var only, signing string
	flag.StringVar(&o.binary, "exeunt", "bin/exeunt", "the executable to load")
	flag.StringVar(&o.postgres, "postgres", "", "URL of an empty PostgreSQL database; without it only SQLite is measured")
	flag.StringVar(&only, "only", "sign-on,logout,answer,read,start", "which measurements, comma separated; fairness, mass and realtime are others")
	flag.StringVar(&signing, "signing", "RS256,ES256", "which signature algorithms, comma separated")
	flag.IntVar(&o.sessions, "sessions", 200, "sessions that are logged out, of 10 relying parties each")
	flag.IntVar(&o.flows, "flows", 4000, "code flows and reads of each measurement")
	flag.IntVar(&o.rounds, "rounds", 3, "rounds of each measurement; the median counts")
	flag.IntVar(&o.mass, "mass", 100_000, "sessions of the mass logout, of 5 relying parties each")
	flag.IntVar(&o.backlog, "backlog", 100_000, "deliveries that a relying party has missed, for fairness")
	flag.IntVar(&o.pages, "pages", 10_000, "connected pages, ten of each session, for realtime")
	flag.Parse()
	o.only, o.signing = strings.Split(only, ","), strings.Split(signing, ",")
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	exit(run(ctx, o))
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

func run(ctx context.Context, o options) error {
	databases := []string{"SQLite"}
	if o.postgres != "" {
		databases = append(databases, "PostgreSQL")
	} else {
		fmt.Fprintln(os.Stderr, "bench: no -postgres URL: PostgreSQL is NOT measured")
	}
	out := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	defer func() { _ = out.Flush() }()
	fmt.Fprintln(out, "measurement\tdatabase\tsigning\tresult\tbeside the floor")
	for _, alg := range o.signing {
		for _, database := range databases {
			err := measure(ctx, o, database, alg, func(what, result, ratio string) {
				fmt.Fprintf(out, "%s\t%s\t%s\t%s\t%s\n", what, database, alg, result, ratio)
				_ = out.Flush()
			})
			if err != nil {
				return fmt.Errorf("%s, %s: %w", database, alg, err)
			}
		}
	}
	return nil
}

// median of the rounds' figures.
func median(figures []float64) float64 {
	slices.Sort(figures)
	return figures[len(figures)/2]
}
