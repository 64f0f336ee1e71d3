// What the HTTP API answers, under its own names. The store has records of the same names for itself. Tests that mean
// those say Store.Session.
global using DayCost = Wake.Contracts.Http.DayCost;
global using EventExplanation = Wake.Contracts.Http.EventExplanation;
global using Question = Wake.Contracts.Http.Question;
global using QuestionOutcome = Wake.Contracts.Http.QuestionOutcome;
global using Session = Wake.Contracts.Http.Session;
global using SessionExplanation = Wake.Contracts.Http.SessionExplanation;
global using SessionState = Wake.Contracts.Http.SessionState;
global using Turn = Wake.Contracts.Http.Turn;
global using TurnState = Wake.Contracts.Http.TurnState;
