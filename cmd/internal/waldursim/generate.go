package waldursim

import "fmt"

// Generate adds n varied resources: projects and users on the three systems. Each project is on
// each system at most once, so that no quota is shared. One in a hundred is Terminated or Erred.
// orders percent of the others have an order, with all types and states in turn.
func (s *Server) Generate(n, orders int) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var limits []map[string]any
	for tera := range 40 {
		limits = append(limits, map[string]any{"storage": 1 + tera})
	}
	turn, systems := 0, s.model.offerings
	for i := range n {
		spec := generated(i, len(systems))
		spec.Offering, spec.Limits = systems[i%len(systems)].slug, limits[i%len(limits)]
		if spec.State == "" && i*orders/100 != (i+1)*orders/100 {
			spec.Order = orderFor(turn)
			turn++
		}
		if _, err := s.model.add(spec); err != nil {
			return err
		}
	}
	return nil
}

func generated(i, systems int) ResourceSpec {
	p := i / systems
	spec := ResourceSpec{
		Customer: fmt.Sprintf("org%02d", p%50), Project: fmt.Sprintf("p%06d", p),
		DataType: []string{"store", "scratch", "users", "archive"}[i%4],
	}
	switch {
	case i%200 == 77:
		spec.State = Terminated
	case i%200 == 177:
		spec.State = Erred
	case i%23 == 5: // applied quotas reported as options, as some agents do
		spec.Options = map[string]any{"hard_quota_space": 2 + i%40}
	case i%29 == 3:
		spec.Permissions = "2775"
	}
	return spec
}

// orderFor returns, in turn, every order that a provider meets.
func orderFor(turn int) *OrderSpec {
	orders := []OrderSpec{
		{Type: Create}, {Type: Update, Limits: map[string]any{"storage": 50}}, {Type: Terminate},
		{Type: Create, State: Executing}, {Type: Update, NewOptions: map[string]any{"hard_quota_space": 60}},
		{Type: Update, State: Executing,
			Limits: map[string]any{"storage": 45}}, {Type: Create, State: PendingConsumer},
	}
	return &orders[turn%len(orders)]
}
