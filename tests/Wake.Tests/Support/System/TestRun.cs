using System.Reflection;
using Wake.Testing;
using Xunit.Abstractions;
using Xunit.Sdk;

[assembly: TestFramework("Wake.Tests.Support.TestRun", "Wake.Tests")]

namespace Wake.Tests.Support;

/// <summary>
/// xunit as it comes, but for two things. What the run started (PostgreSQL, RabbitMQ) is stopped before the run reports
/// that it is over; after that the process is given no time to do it. And classes begin in an order that ends them at
/// the same time, instead of any.
/// </summary>
public sealed class TestRun(IMessageSink messages) : XunitTestFramework(messages)
{
    protected override ITestFrameworkExecutor CreateExecutor(AssemblyName assemblyName) =>
        new Executor(assemblyName, SourceInformationProvider, DiagnosticMessageSink);

    sealed class Executor(AssemblyName assembly, ISourceInformationProvider source, IMessageSink diagnostics)
        : XunitTestFrameworkExecutor(assembly, source, diagnostics)
    {
        protected override async void RunTestCases(
            IEnumerable<IXunitTestCase> testCases,
            IMessageSink executionMessageSink,
            ITestFrameworkExecutionOptions executionOptions
        )
        {
            using var runner = new Runner(
                TestAssembly,
                testCases,
                DiagnosticMessageSink,
                executionMessageSink,
                executionOptions
            );
            await runner.RunAsync();
        }
    }

    sealed class Runner : XunitTestAssemblyRunner
    {
        public Runner(
            ITestAssembly assembly,
            IEnumerable<IXunitTestCase> cases,
            IMessageSink diagnostics,
            IMessageSink execution,
            ITestFrameworkExecutionOptions options
        )
            : base(assembly, cases, diagnostics, execution, options) =>
            TestCollectionOrderer = new LongestFirst(TestCases);

        protected override async Task BeforeTestAssemblyFinishedAsync()
        {
            await Servers.Stop();
            await base.BeforeTestAssemblyFinishedAsync();
        }
    }

    /// <summary>A class that takes minutes and begins last keeps the run waiting, with nothing beside it.</summary>
    sealed class LongestFirst(IEnumerable<IXunitTestCase> cases) : ITestCollectionOrderer
    {
        readonly ILookup<Guid, IXunitTestCase> cases = cases.ToLookup(x =>
            x.TestMethod.TestClass.TestCollection.UniqueID
        );

        public IEnumerable<ITestCollection> OrderTestCollections(IEnumerable<ITestCollection> testCollections) =>
            testCollections
                .OrderByDescending(TakesMinutes)
                // With few tests these are long ones, and nothing can run beside the rest of one.
                .ThenBy(x => TakesMinutes(x) ? cases[x.UniqueID].Count() : 0)
                .ThenByDescending(x => Has(x, "Starts", "processes"))
                .ThenByDescending(x => cases[x.UniqueID].Count());

        bool TakesMinutes(ITestCollection collection) => Has(collection, "Takes", "minutes");

        bool Has(ITestCollection collection, string trait, string value) =>
            cases[collection.UniqueID].Any(x => x.Traits.TryGetValue(trait, out var values) && values.Contains(value));
    }
}
