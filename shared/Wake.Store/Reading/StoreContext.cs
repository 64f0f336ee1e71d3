using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.EntityFrameworkCore;
using Microsoft.EntityFrameworkCore.Infrastructure;
using Microsoft.EntityFrameworkCore.Storage;
using Npgsql;

namespace Wake.Store;

/// <summary>
/// The tables as LINQ reads them: what people list, filter and look up. The migrations own the tables, and a test
/// compares this with them. What decides or writes is SQL, in the class of its subject.
/// </summary>
sealed class StoreContext(DbContextOptions<StoreContext> options) : DbContext(options)
{
    public DbSet<SessionRow> Sessions => Set<SessionRow>();

    public DbSet<TurnRow> Turns => Set<TurnRow>();

    public DbSet<ClaudeSessionRow> ClaudeSessions => Set<ClaudeSessionRow>();

    public DbSet<InboxRow> Inbox => Set<InboxRow>();

    public DbSet<EventRow> Events => Set<EventRow>();

    public DbSet<DuplicateRow> Duplicates => Set<DuplicateRow>();

    public DbSet<CollisionRow> Collisions => Set<CollisionRow>();

    public DbSet<DecisionRow> Decisions => Set<DecisionRow>();

    public DbSet<FactCheckRow> FactChecks => Set<FactCheckRow>();

    public DbSet<QuestionRow> Questions => Set<QuestionRow>();

    public DbSet<TerminalRow> Terminals => Set<TerminalRow>();

    /// <summary>The function of the migrations that finds the events of a time in their order.</summary>
    [DbFunction("events_before")]
    public static long EventsBefore(DateTimeOffset moment) => throw new NotSupportedException($"Not SQL: {moment}");

    protected override void OnModelCreating(ModelBuilder modelBuilder)
    {
        modelBuilder.Entity<SessionRow>(session =>
        {
            session.ToTable("sessions").HasKey(x => x.Id);
            session.HasOne(x => x.Totals).WithOne().HasForeignKey<TotalsRow>(x => x.SessionId);
            session.Navigation(x => x.Totals).IsRequired();
            session.HasMany(x => x.ClaudeSessions).WithOne().HasForeignKey(x => x.SessionId);
            session.HasMany(x => x.Turns).WithOne().HasForeignKey(x => x.SessionId);
            session.HasMany(x => x.Inbox).WithOne(x => x.Session).HasForeignKey(x => x.SessionId);
            session.HasMany(x => x.Spending).WithOne().HasForeignKey(x => x.SessionId);
            session.HasMany(x => x.Questions).WithOne(x => x.Session).HasForeignKey(x => x.SessionId);
            session.HasMany(x => x.Watches).WithOne().HasForeignKey(x => x.SessionId);
        });
        modelBuilder.Entity<TotalsRow>().ToTable("session_totals").HasKey(x => x.SessionId);
        modelBuilder.Entity<ClaudeSessionRow>().ToTable("session_ids").HasKey(x => new { x.SessionId, x.Position });
        modelBuilder.Entity<TurnRow>().ToTable("turns").HasKey(x => new { x.SessionId, x.WakeNumber });
        modelBuilder.Entity<EventRow>(observed =>
        {
            observed.ToTable("events").HasKey(x => x.Seq);
            // By its name it was taken for the key.
            observed.Property(x => x.Id).IsRequired();
            observed.Property(x => x.Data).HasColumnType("json");
            observed.HasMany(x => x.Inbox).WithOne(x => x.Observed).HasForeignKey(x => x.Event);
        });
        modelBuilder.Entity<InboxRow>(entry =>
        {
            entry.ToTable("inbox").HasKey(x => new { x.Event, x.SessionId });
            entry.HasOne(x => x.Turn).WithMany().HasForeignKey(x => new { x.SessionId, x.WakeNumber });
            entry.HasOne(x => x.Route).WithMany().HasForeignKey(x => x.RouteId);
        });
        modelBuilder.Entity<DuplicateRow>().ToTable("duplicates").HasNoKey();
        modelBuilder.Entity<CollisionRow>().ToTable("collisions").HasKey(x => x.Event);
        modelBuilder.Entity<DecisionRow>(decision =>
        {
            decision.ToTable("decisions").HasKey(x => x.Seq);
            decision.HasOne(x => x.Session).WithMany().HasForeignKey(x => x.SessionId);
        });
        modelBuilder
            .Entity<FactCheckRow>()
            .ToTable("fact_checks")
            .HasKey(x => new
            {
                x.Event,
                x.SessionId,
                x.WakeNumber,
            });
        modelBuilder.Entity<SpendingRow>().ToTable("spending").HasKey(x => new { x.SessionId, x.Day });
        modelBuilder.Entity<QuestionRow>(question =>
        {
            question.ToTable("questions").HasKey(x => x.Id);
            question.Property(x => x.Input).HasColumnType("json");
            question.Property(x => x.Answers).HasColumnType("json");
        });
        modelBuilder.Entity<WatchRow>().ToTable("watches").HasKey(x => x.Id);
        modelBuilder.Entity<RouteRow>().ToTable("routes").HasKey(x => x.Id);
        modelBuilder.Entity<TerminalRow>().ToTable("terminals").HasKey(x => x.SessionId);

        foreach (var property in modelBuilder.Model.GetEntityTypes().SelectMany(x => x.GetProperties()))
            property.SetColumnName(JsonNamingPolicy.SnakeCaseLower.ConvertName(property.Name));
    }
}

/// <summary>Opens the store for reading.</summary>
static class StoreReading
{
    // The model is made at the first read: a process that reads nothing by LINQ pays nothing for it.
    static readonly ConditionalWeakTable<NpgsqlDataSource, PooledDbContextFactory<StoreContext>> Factories = [];

    /// <summary>A context, which uses one connection while a query runs.</summary>
    public static StoreContext OpenReader(this NpgsqlDataSource database) =>
        Factories.GetValue(database, CreateFactory).CreateDbContext();

    static PooledDbContextFactory<StoreContext> CreateFactory(NpgsqlDataSource database) =>
        new(
            new DbContextOptionsBuilder<StoreContext>()
                .UseNpgsql(
                    database,
                    // The provider's own strategy hides what PostgreSQL says when it is away in an exception of another
                    // kind, and callers would not know it for what it is.
                    npgsql => npgsql.UseRelationalNulls().ExecutionStrategy(x => new NonRetryingExecutionStrategy(x))
                )
                .UseQueryTrackingBehavior(QueryTrackingBehavior.NoTracking)
                .EnableThreadSafetyChecks(false)
                .Options
        );
}
