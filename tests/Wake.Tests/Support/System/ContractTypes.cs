// What the HTTP API answers, under its own names. The store and the gateway have records of the same names for
// themselves. Tests that mean those say Store.Session.
global using ApiKey = Wake.Contracts.Http.ApiKey;
global using DayCost = Wake.Contracts.Http.DayCost;
global using EventExplanation = Wake.Contracts.Http.EventExplanation;
global using NewApiKey = Wake.Contracts.Http.NewApiKey;
global using Question = Wake.Contracts.Http.Question;
global using QuestionOutcome = Wake.Contracts.Http.QuestionOutcome;
global using Session = Wake.Contracts.Http.Session;
global using SessionExplanation = Wake.Contracts.Http.SessionExplanation;
global using SessionState = Wake.Contracts.Http.SessionState;
global using Turn = Wake.Contracts.Http.Turn;
global using TurnState = Wake.Contracts.Http.TurnState;
